/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Addresses for device trees that are laid over the trees of several boards. scripts/dtc includes
 * this file before every tree, with the board's values:
 *
 * ADDRESS_CELLS	#address-cells of the root node
 * SIZE_CELLS		#size-cells of the root node
 * BOARD_RAM		the address of the first byte of memory
 * BOARD_CARVEOUTS	the address from which on tests can reserve memory
 */

#define CELLS_1(value)		((value) & 0xffffffff)
#define CELLS_2(value)		(((value) >> 32) & 0xffffffff) ((value) & 0xffffffff)
#define CELLS_(count, value)	CELLS_##count(value)
#define CELLS(count, value)	CELLS_(count, value)

/* cells of a property: reg = <REG(0x9000000, 0x1000)>; */
#define ADDRESS(address)	CELLS(ADDRESS_CELLS, address)
#define SIZE(size)		CELLS(SIZE_CELLS, size)
#define REG(address, size)	ADDRESS(address) SIZE(size)

/* addresses: reg = <REG(CARVEOUT(0x1000), 0x1000)>; */
#define RAM(offset)		(BOARD_RAM + (offset))
#define CARVEOUT(offset)	(BOARD_CARVEOUTS + (offset))
