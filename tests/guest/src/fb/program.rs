// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs of Debian's armhf that draw, unmodified, on a framebuffer window in place of fbdev.
//! They are on a separate disk, which scripts/clients builds.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::fb::abi::FB_565;
use crate::skip;
use crate::support::dev::FB;
use crate::support::fbdev;
use crate::support::host::{self, Screen};
use crate::support::mem::Map;
use crate::support::program::{needs, run, Follower, Ran};
use crate::tests;

tests! {
    clients:
        fb_program_ffmpeg_draws_a_picture,
        fb_program_ffmpeg_draws_r5g6b5,
        fb_program_ffmpeg_grabs_the_screen,
        fb_program_mplayer_shows_a_film,
        fb_program_mplayer_shows_a_film_by_its_older_driver,
        fb_program_fbi_shows_a_picture,
        fb_program_qt_paints_through_linuxfb,
        fb_program_numpy_draws_and_reads_back,
        fb_program_lvgl_draws_a_keyboard;
}

const WIDTH: usize = 1024;
const HEIGHT: usize = 600;
const LINE: usize = 4096;

/// Red, green, blue and white quarters, so that swapped colours, lines or columns show.
fn quarter(x: usize, y: usize, width: usize, height: usize) -> [u8; 3] {
    match (x < width / 2, y < height / 2) {
        (true, true) => [0xff, 0, 0],
        (false, true) => [0, 0xff, 0],
        (true, false) => [0, 0, 0xff],
        (false, false) => [0xff; 3],
    }
}

fn pixels(width: usize, height: usize) -> impl Iterator<Item = [u8; 3]> {
    (0..height).flat_map(move |y| (0..width).map(move |x| quarter(x, y, width, height)))
}

/// The quarters in the format bgra.
fn bgra(width: usize, height: usize) -> Vec<u8> {
    pixels(width, height)
        .flat_map(|[r, g, b]| [b, g, r, 0xff])
        .collect()
}

/// Clears both pages, and shows the first one.
fn cleared() -> Map {
    let fb = FB.open();
    fbdev::pan(fb.raw(), 0).expect("a pan");
    let map = fb.map();
    for offset in (0..2 * HEIGHT * LINE).step_by(4) {
        map.store32(offset, 0).expect("the framebuffer");
    }
    map
}

/// How many pixels of a page are not those of the quarters.
fn wrong(map: &Map, page: usize) -> usize {
    let at = |x: usize, y: usize| (page * HEIGHT + y) * LINE + x * 4;
    (0..HEIGHT)
        .flat_map(|y| (0..WIDTH).map(move |x| (x, y)))
        .filter(|&(x, y)| {
            let [r, g, b] = quarter(x, y, WIDTH, HEIGHT);
            let expected = u32::from_be_bytes([0, r, g, b]);
            map.load32(at(x, y)).expect("the framebuffer") & 0xff_ffff != expected
        })
        .count()
}

/// How long a program may take to start and to draw: a limit for one that hangs. On a busy host, an
/// emulated processor needs minutes for the modules of numpy alone.
const PATIENCE: Duration = Duration::from_secs(1500);

/// Waits until the picture is there, or the program has ended without it. The pauses leave the
/// processor to the program.
#[track_caller]
fn drawn(program: &mut Follower, there: impl Fn() -> bool, missing: impl Fn() -> String) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Checked first: a program may draw and end.
        let ended = program.ended();
        let late = Instant::now() >= deadline;
        if there() {
            return;
        }
        if let Some(status) = ended {
            panic!("the program ended with {status}; {}", missing());
        }
        assert!(!late, "{:?} passed; {}", PATIENCE, missing());
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// The quarters, as the host sees the screen.
fn quarters() -> Screen {
    Screen {
        width: WIDTH as u32,
        height: HEIGHT as u32,
        crc: host::crc32(pixels(WIDTH, HEIGHT).flatten()),
    }
}

/// Waits for the quarters on any of the pages, and on the screen. The picture of the screen is
/// stored as `name`.
#[track_caller]
fn shown(program: &mut Follower, map: &Map, name: &str) {
    let corner = |page: usize| map.load32((page + 1) * HEIGHT * LINE - 8 * LINE) != Ok(0);
    let on_a_page = || (0..2).any(|page| corner(page) && wrong(map, page) == 0);
    drawn(
        program,
        || on_a_page() && host::screen(name) == quarters(),
        || {
            format!(
                "pixels that are wrong on either page: {}, {}; the screen: {:?}, not {:?}",
                wrong(map, 0),
                wrong(map, 1),
                host::screen(name),
                quarters()
            )
        },
    );
}

/// A command line that runs in a chroot on the disk, with our /dev, /proc, /sys and /tmp.
fn inside(line: &str) -> String {
    let libraries = if cfg!(target_arch = "aarch64") {
        "/usr/lib/aarch64-linux-gnu"
    } else {
        "/usr/lib/arm-linux-gnueabihf"
    };
    let quoted = line.replace('\'', "'\\''");
    format!(
        "set -e; mount -t ext2 -o ro /dev/vda /mnt || exit 4; for d in dev proc sys tmp; do \
         mount --rbind /$d /mnt/$d; done; mount -t tmpfs none /mnt/run; \
         mount -t tmpfs none /mnt/root; \
         exec chroot /mnt /usr/bin/env -i PATH=/usr/bin:/usr/sbin HOME=/root LANG=C.UTF-8 \
         LD_LIBRARY_PATH={libraries}/pulseaudio:{libraries}/blas:{libraries}/lapack \
         sh -c '{quoted}'"
    )
}

/// Skips the test unless the disk has this program.
fn installed(program: &str) {
    needs("unshare");
    FB.needed();
    let look = format!("command -v {program} >/dev/null || exit 3");
    let ran = run("unshare", &["-m", "sh", "-c", &inside(&look)]);
    match ran.status {
        0 => {}
        4 => skip!("no disk of programs: make test SLOW=1 ({})", ran.err.trim()),
        _ => panic!("{program} is not on the disk: {}", ran.err),
    }
}

/// Runs a command line in the chroot, to its end.
fn program(line: &str) -> Ran {
    run("unshare", &["-m", "sh", "-c", &inside(line)])
}

/// Starts one in the chroot and returns.
fn follow(line: &str) -> Follower {
    Follower::start("unshare", &["-m", "sh", "-c", &inside(line)])
}

fn fb_program_ffmpeg_draws_a_picture() {
    installed("ffmpeg");
    let map = cleared();
    fs::write("/tmp/picture.bgra", bgra(WIDTH, HEIGHT)).expect("a file");
    program(&format!(
        "ffmpeg -nostdin -v error -f rawvideo -pix_fmt bgra -s 1024x600 -i /tmp/picture.bgra \
         -frames:v 1 -pix_fmt bgra -f fbdev {}",
        FB.path()
    ))
    .success();
    assert_eq!(wrong(&map, 0), 0);
    assert_eq!(host::screen("ffmpeg"), quarters());
}

fn fb_program_ffmpeg_draws_r5g6b5() {
    installed("ffmpeg");
    let map = FB_565.open().map();
    fs::write("/tmp/picture.bgra", bgra(800, 480)).expect("a file");
    program(&format!(
        "ffmpeg -nostdin -v error -f rawvideo -pix_fmt bgra -s 800x480 -i /tmp/picture.bgra \
         -frames:v 1 -pix_fmt rgb565le -f fbdev {}",
        FB_565.path()
    ))
    .success();
    for (x, y, expected) in [
        (100, 100, 0xf800),
        (700, 100, 0x07e0),
        (100, 400, 0x001f),
        (700, 400, 0xffff),
    ] {
        let pair = map.load32(y * 1600 + x * 2).expect("the framebuffer");
        assert_eq!(pair & 0xffff, expected, "at {x},{y}");
    }
}

fn fb_program_ffmpeg_grabs_the_screen() {
    installed("ffmpeg");
    let map = cleared();
    for (index, pixel) in bgra(WIDTH, HEIGHT).chunks_exact(4).enumerate() {
        let (x, y) = (index % WIDTH, index / WIDTH);
        let pixel = u32::from_le_bytes(pixel.try_into().expect("four bytes"));
        map.store32(y * LINE + x * 4, pixel)
            .expect("the framebuffer");
    }
    program(&format!(
        "ffmpeg -nostdin -v error -f fbdev -framerate 5 -i {} -frames:v 1 -pix_fmt rgb24 \
         -f rawvideo -y /tmp/grab.rgb",
        FB.path()
    ))
    .success();
    let grabbed = fs::read("/tmp/grab.rgb").expect("the picture");
    assert!(grabbed.iter().copied().eq(pixels(WIDTH, HEIGHT).flatten()));
}

/// The command that plays a film of the quarters until the test ends.
fn mplayer(driver: &str) -> Follower {
    fs::write("/tmp/film.bgra", bgra(WIDTH, HEIGHT).repeat(4)).expect("a file");
    follow(&format!(
        "exec mplayer -really-quiet -nosound -nolirc -noconsolecontrols -loop 0 -demuxer rawvideo \
         -rawvideo w=1024:h=600:fps=5:format=0x42475220 -vo {driver}:{} \
         /tmp/film.bgra",
        FB.path()
    ))
}

fn fb_program_mplayer_shows_a_film() {
    installed("mplayer");
    let map = cleared();
    let mut film = mplayer("fbdev2");
    shown(&mut film, &map, "mplayer-fbdev2");
}

fn fb_program_mplayer_shows_a_film_by_its_older_driver() {
    installed("mplayer");
    let map = cleared();
    let mut film = mplayer("fbdev");
    shown(&mut film, &map, "mplayer-fbdev");
}

fn fb_program_fbi_shows_a_picture() {
    installed("fbi");
    if !Path::new("/dev/tty1").exists() {
        skip!("no virtual terminals: the kernel has no CONFIG_VT");
    }
    let map = cleared();
    // One value or pair per line: fbi reads the header by lines.
    let mut picture = b"P6\n1024 600\n255\n".to_vec();
    picture.extend(pixels(WIDTH, HEIGHT).flatten());
    fs::write("/tmp/picture.ppm", picture).expect("a file");
    // On a virtual terminal, which it needs. With -T it would choose one itself, but in its own
    // session, which would outlive the test.
    let mut fbi = follow(&format!(
        "exec fbi -d {} -noverbose -nocomments /tmp/picture.ppm </dev/tty1",
        FB.path()
    ));
    shown(&mut fbi, &map, "fbi");
}

const QT: &str = r#"
from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtGui import QColor, QPainter
from PyQt5.QtWidgets import QApplication, QWidget

class Quarters(QWidget):
    def paintEvent(self, event):
        painter = QPainter(self)
        w, h = self.width() // 2, self.height() // 2
        painter.fillRect(0, 0, w, h, QColor(255, 0, 0))
        painter.fillRect(w, 0, w, h, QColor(0, 255, 0))
        painter.fillRect(0, h, w, h, QColor(0, 0, 255))
        painter.fillRect(w, h, w, h, QColor(255, 255, 255))

app = QApplication([])
app.setOverrideCursor(Qt.BlankCursor)
widget = Quarters()
widget.showFullScreen()
app.exec()
"#;

fn fb_program_qt_paints_through_linuxfb() {
    installed("python3");
    let map = cleared();
    fs::write("/tmp/quarters.py", QT).expect("a file");
    let mut qt = follow(&format!(
        "QT_QPA_PLATFORM=linuxfb:fb={} exec python3 /tmp/quarters.py",
        FB.path()
    ));
    shown(&mut qt, &map, "qt");
}

const NUMPY: &str = r#"
import sys
import numpy as np

screen = np.memmap(sys.argv[1], dtype="<u4", mode="r+", shape=(600, 1024))
screen[:300, :512] = 0xff0000
screen[:300, 512:] = 0x00ff00
screen[300:, :512] = 0x0000ff
screen[300:, 512:] = 0xffffff
again = np.fromfile(sys.argv[1], dtype="<u4", count=600 * 1024).reshape(600, 1024)
assert (again == screen).all()
print(int(screen.sum(dtype=np.uint64)))
"#;

fn fb_program_numpy_draws_and_reads_back() {
    installed("python3");
    let map = cleared();
    fs::write("/tmp/draw.py", NUMPY).expect("a file");
    let line = format!("python3 /tmp/draw.py {}", FB.path());
    let sum = program(&line).success().text();
    let quarter = 300 * 512;
    let expected: u64 = quarter * (0xff_0000 + 0xff00 + 0xff + 0xff_ffff);
    assert_eq!(sum.trim(), expected.to_string());
    assert_eq!(wrong(&map, 0), 0);
    assert_eq!(host::screen("numpy"), quarters());
}

/// unl0kr is a keyboard on the screen that LVGL draws. It supports only /dev/fb0: see
/// docs/framebuffer.md for such programs.
fn fb_program_lvgl_draws_a_keyboard() {
    installed("unl0kr");
    let map = cleared();
    let config = "[general]\nanimations=false\nbackend=fbdev\n[theme]\ndefault=pmos-light\n";
    fs::write("/tmp/unl0kr.conf", config).expect("a file");
    let path = FB.path();
    let line = format!(
        "if [ -e /dev/fb0 ]; then mount --bind {path} /dev/fb0; else ln -s {path} /dev/fb0; fi; {}",
        inside("exec unl0kr -C /tmp/unl0kr.conf")
    );
    let mut keyboard = Follower::start("unshare", &["-m", "sh", "-c", &line]);
    let pixel = |x: usize, y: usize| {
        let pixel = map.load32(y * LINE + x * 4).expect("the framebuffer");
        pixel & 0xff_ffff
    };
    // A keyboard has many keys, and each of them an edge and a letter: look for lines with many
    // changes of colour in the lower half, where it is.
    let changes = |y: usize| {
        (1..WIDTH)
            .filter(|&x| pixel(x, y) != pixel(x - 1, y))
            .count()
    };
    let keys = || (HEIGHT / 2..HEIGHT).filter(|&y| changes(y) >= 18).count();
    let memory = || {
        let colours = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
        host::crc32(colours.flat_map(|(x, y)| pixel(x, y).to_be_bytes().into_iter().skip(1)))
    };
    drawn(
        &mut keyboard,
        || keys() >= 40 && host::screen("unl0kr").crc == memory(),
        || {
            format!(
                "lines with keys: {}; {:?}, memory: {:08x}",
                keys(),
                host::screen("unl0kr"),
                memory()
            )
        },
    );
    if fs::read_link("/dev/fb0").is_ok() {
        fs::remove_file("/dev/fb0").expect("our link");
    }
}
