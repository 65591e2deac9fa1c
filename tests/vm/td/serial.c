// SPDX-License-Identifier: GPL-2.0-or-later
#include "serial.h"

#include <linux/serial_reg.h>
#include <stdio.h>

bool serial_interrupt(const struct serial *serial)
{
	return serial->thre_pending && serial->ier & UART_IER_THRI;
}

static uint8_t read_iir(struct serial *serial)
{
	uint8_t fifo = serial->fcr & UART_FCR_ENABLE_FIFO ? 0xc0 : 0;

	if (!serial_interrupt(serial))
		return fifo | UART_IIR_NO_INT;
	serial->thre_pending = false;
	return fifo | UART_IIR_THRI;
}

/* In loopback mode, the outputs are the inputs; the driver looks for that. */
static uint8_t read_msr(const struct serial *serial)
{
	if (!(serial->mcr & UART_MCR_LOOP))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	return (uint8_t)((serial->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
			 (serial->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
			 (serial->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) |
			 (serial->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0));
}

uint8_t serial_read(struct serial *serial, unsigned int reg)
{
	bool divisor = serial->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_RX:
		return divisor ? serial->divisor & 0xff : 0;
	case UART_IER:
		return divisor ? (uint8_t)(serial->divisor >> 8) : serial->ier;
	case UART_IIR:
		return read_iir(serial);
	case UART_LCR:
		return serial->lcr;
	case UART_MCR:
		return serial->mcr;
	case UART_LSR:
		return UART_LSR_TEMT | UART_LSR_THRE;
	case UART_MSR:
		return read_msr(serial);
	default:
		return serial->scr;
	}
}

static void send(struct serial *serial, uint8_t value)
{
	if (!(serial->mcr & UART_MCR_LOOP)) {
		putchar(value);
		if (value == '\n')
			fflush(stdout);
	}
	serial->thre_pending = true;
}

void serial_write(struct serial *serial, unsigned int reg, uint8_t value)
{
	bool divisor = serial->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (divisor)
			serial->divisor = (uint16_t)((serial->divisor & 0xff00) | value);
		else
			send(serial, value);
		break;
	case UART_IER:
		if (divisor) {
			serial->divisor = (uint16_t)((serial->divisor & 0xff) | value << 8);
			break;
		}
		if (value & ~serial->ier & UART_IER_THRI)
			serial->thre_pending = true;
		serial->ier = value & 0xf;
		break;
	case UART_FCR:
		serial->fcr = value;
		break;
	case UART_LCR:
		serial->lcr = value;
		break;
	case UART_MCR:
		serial->mcr = value & 0x1f;
		break;
	case UART_SCR:
		serial->scr = value;
		break;
	default:
		break;
	}
}
