// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A plugin for QEMU that counts barriers and exclusive accesses where they are executed.
 *
 *     qemu-system-arm ... -plugin count.so,out=counts.txt
 *
 * It counts between the two marks that MARK() in bench/module/helpers.c puts around each loop
 * of 1000 records, on the only processor, with interrupts off. At QEMU's end it writes a line for
 * each kind of work:
 *
 *     KIND LOOPS BARRIERS LDREX STREX
 *
 * An exclusive store under a condition counts also if the condition is false. Debian's packages
 * have no qemu-plugin.h: what is needed of it (API version 4, QEMU 9.2 and later) is declared here.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t id_t64;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

EXPORT int qemu_plugin_version = 4;

void qemu_plugin_register_vcpu_tb_trans_cb(id_t64 id,
					   void (*cb)(id_t64 id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_atexit_cb(id_t64 id, void (*cb)(id_t64 id, void *data), void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*cb)(unsigned int cpu, void *data),
					    int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t len);

enum class { BARRIER, LDREX, STREX, CLASSES };

#define END 0xff

static uint64_t loops[END], counts[END][CLASSES];
static unsigned int kind = END;
static char file[4096];

static void mark(unsigned int cpu, void *data)
{
	kind = (uintptr_t)data;
	if (kind < END)
		loops[kind]++;
}

static void count(unsigned int cpu, void *data)
{
	if (kind < END)
		counts[kind][(uintptr_t)data]++;
}

/* What class an ARM instruction is of; CLASSES: of none. */
static enum class classify(uint32_t insn)
{
	/* dsb and dmb, and the coprocessor's operations that were called so before ARMv7 */
	if ((insn & 0xffffffe0) == 0xf57ff040)
		return BARRIER;
	if ((insn & 0x0fff0fff) == 0x0e070f9a || (insn & 0x0fff0fff) == 0x0e070fba)
		return BARRIER;
	/* of words, double words, bytes and half words */
	if ((insn & 0x0f900fff) == 0x01900f9f)
		return LDREX;
	if ((insn & 0x0f900ff0) == 0x01800f90)
		return STREX;
	return CLASSES;
}

static void translated(id_t64 id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);
	uint32_t before = 0;

	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		enum class class;
		uint32_t word = 0;

		/* Two bytes where it is a program's Thumb instruction. */
		if (qemu_plugin_insn_data(insn, &word, sizeof(word)) != sizeof(word))
			word = 0;
		class = classify(word);
		/* and r4, r4, r4; movw ip, #0xb3KK */
		if (before == 0xe0044004 && (word & 0xffffff00) == 0xe30bc300)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark, 0,
							       (void *)(uintptr_t)(word & 0xff));
		else if (class != CLASSES)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, count, 0,
							       (void *)(uintptr_t)class);
		before = word;
	}
}

static void at_exit(id_t64 id, void *data)
{
	FILE *to = fopen(file, "w");
	unsigned int i;

	if (!to) {
		perror(file);
		return;
	}
	for (i = 0; i < END; i++) {
		if (loops[i])
			fprintf(to, "%u %llu %llu %llu %llu\n", i, (unsigned long long)loops[i],
				(unsigned long long)counts[i][BARRIER],
				(unsigned long long)counts[i][LDREX],
				(unsigned long long)counts[i][STREX]);
	}
	fclose(to);
}

EXPORT int qemu_plugin_install(id_t64 id, const void *info, int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			snprintf(file, sizeof(file), "%s", argv[i] + 4);
	}
	if (!*file) {
		fputs("count.so: no output file for the counts: "
		      "-plugin count.so,out=FILE\n", stderr);
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}
