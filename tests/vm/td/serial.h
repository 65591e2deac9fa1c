/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The transmitting half of a 16550A; what the guest sends goes to stdout. */
#ifndef TD_SERIAL_H
#define TD_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

struct serial {
	uint8_t ier, lcr, mcr, scr, fcr;
	uint16_t divisor;
	bool thre_pending;
};

#define SERIAL_PORTS 8

uint8_t serial_read(struct serial *serial, unsigned int reg);
void serial_write(struct serial *serial, unsigned int reg, uint8_t value);
/* The level of its interrupt line. */
bool serial_interrupt(const struct serial *serial);

#endif
