// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/report/units.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <tdx-lpage/base.h>

#define NBSP "\xc2\xa0" /* no line ends between a number and its unit */

/* Length of the UTF-8 character at @p, 0 when there is none. */
static size_t utf8_length(const unsigned char *p)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = *p < 0x80 ? 1 : *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : *p >= 0xc0 ? 2 : 0;
	uint32_t c = len > 1 ? *p & (0xff >> (len + 1)) : *p;

	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (!len || c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	/* What XML does not have, and the controls that HTML forbids. */
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c & 0xfffe) == 0xfffe ||
	    (c >= 0xfdd0 && c < 0xfdf0))
		return 0;
	return len;
}

void report_text(FILE *f, const char *text)
{
	while (*text) {
		size_t len = utf8_length((const unsigned char *)text);

		if (*text == '&')
			fputs("&amp;", f);
		else if (*text == '<')
			fputs("&lt;", f);
		else if (*text == '>')
			fputs("&gt;", f);
		else if (*text == '"')
			fputs("&quot;", f);
		else if (*text == '\'')
			fputs("&#39;", f);
		else if (!len)
			fputs("\xef\xbf\xbd", f);
		else
			fwrite(text, 1, len, f);
		text += len ? len : 1;
	}
}

void report_printf(FILE *f, const char *format, ...)
{
	char *text;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		abort();
	va_end(ap);
	report_text(f, text);
	free(text);
}

/* Digits after the point for so many significant ones. */
static int decimals(double value, int digits)
{
	int before = value >= 1 ? (int)floor(log10(value)) + 1 : 1;

	return before < digits ? digits - before : 0;
}

/* No zeros behind the point, nor the point alone. */
static void trim(char *text)
{
	char *end = text + strlen(text);

	if (!strchr(text, '.'))
		return;
	while (end[-1] == '0')
		*--end = '\0';
	if (end[-1] == '.')
		end[-1] = '\0';
}

struct unit {
	double ns;
	const char *name;
};

/* @units: from the smallest to the largest. */
static const char *with_unit(double ns, int digits, const struct unit *units, size_t nr, char *ret)
{
	size_t i = 0;

	/* What would be rounded up to the next unit is shown in it. */
	while (i + 1 < nr && ns >= units[i + 1].ns * (1 - 0.5 * pow(10, -digits)))
		i++;
	snprintf(ret, REPORT_TEXT_MAX, "%.*f", decimals(ns / units[i].ns, digits),
		 ns / units[i].ns);
	trim(ret);
	snprintf(ret + strlen(ret), REPORT_TEXT_MAX - strlen(ret), NBSP "%s", units[i].name);
	return ret;
}

const char *report_ns(double ns, int digits, char ret[static REPORT_TEXT_MAX])
{
	static const struct unit units[] = {{1, "ns"}, {1e3, "µs"}, {1e6, "ms"}, {1e9, "s"}};

	return with_unit(ns, digits, units, ARRAY_SIZE(units), ret);
}

const char *report_length(double ns, char ret[static REPORT_TEXT_MAX])
{
	static const struct unit units[] = {{1, "ns"},	   {1e3, "µs"},	  {1e6, "ms"},	 {1e9, "s"},
					    {6e10, "min"}, {3.6e12, "h"}, {8.64e13, "d"}};

	/* Up to two minutes, seconds are clearer. */
	if (ns < 1.2e11)
		return report_ns(ns, 3, ret);
	return with_unit(ns, 3, units, ARRAY_SIZE(units), ret);
}

const char *report_count(uint64_t value, char ret[static REPORT_TEXT_MAX])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, value), at = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			ret[at++] = ',';
		ret[at++] = digits[i];
	}
	ret[at] = '\0';
	return ret;
}

const char *report_fixed(uint64_t ns, uint64_t unit_ns, char ret[static REPORT_TEXT_MAX])
{
	uint64_t whole = ns / unit_ns;
	uint64_t rest = (1000 * (ns % unit_ns) + unit_ns / 2) / unit_ns;
	size_t len;

	if (rest == 1000) {
		rest = 0;
		whole++;
	}
	report_count(whole, ret);
	len = strlen(ret);
	snprintf(ret + len, REPORT_TEXT_MAX - len, ".%03" PRIu64, rest);
	return ret;
}

const char *report_bytes(uint64_t bytes, char ret[static REPORT_TEXT_MAX])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes;
	size_t i = 0;

	for (; value >= 1024 && i + 1 < ARRAY_SIZE(units); i++)
		value /= 1024;
	snprintf(ret, REPORT_TEXT_MAX, "%.*f", decimals(value, 3), value);
	trim(ret);
	snprintf(ret + strlen(ret), REPORT_TEXT_MAX - strlen(ret), NBSP "%s", units[i]);
	return ret;
}
