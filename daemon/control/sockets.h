/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sockets of the control server, before anybody connects. */
#ifndef TDX_LPAGE_CONTROL_SOCKETS_H
#define TDX_LPAGE_CONTROL_SOCKETS_H

/* Returns the socket that systemd passed under @name; -ENOENT: none, -ENOTSOCK: it is no such. */
int control_socket_passed(const char *name);

/*
 * Makes a socket of mode 0660 at @path, and listens; one that is left over from a crash is replaced. A
 * descriptor or negative errno, -EADDRINUSE: somebody answers there.
 */
int control_socket_make(const char *path);

#endif
