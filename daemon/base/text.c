// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdint.h>
#include <string.h>

#include <tdx-lpage/text.h>

static char *translate(const char *name, char from, char to, char *ret)
{
	int i = 0;

	for (; name[i] && i < TEXT_NAME_MAX - 1; i++)
		ret[i] = name[i] == from ? to : name[i];
	ret[i] = '\0';
	return ret;
}

char *text_snake(const char *name, char ret[static TEXT_NAME_MAX])
{
	return translate(name, '-', '_', ret);
}

char *text_kebab(const char *name, char ret[static TEXT_NAME_MAX])
{
	return translate(name, '_', '-', ret);
}

static char dash(char c)
{
	return c == '_' ? '-' : c;
}

bool text_same_name(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		if (dash(*a) != dash(*b))
			return false;
	}
	return *a == *b;
}

static char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : dash(c);
}

/* Letters to insert, remove, replace or swap with their neighbours; words of up to 31 letters. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int rows[3][32];
	size_t nr_a = strlen(a), nr_b = strlen(b);

	if (nr_a > 31 || nr_b > 31)
		return UINT32_MAX;
	for (size_t j = 0; j <= nr_b; j++)
		rows[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= nr_a; i++) {
		unsigned int *now = rows[i % 3], *last = rows[(i + 2) % 3],
			     *before = rows[(i + 1) % 3];

		now[0] = (unsigned int)i;
		for (size_t j = 1; j <= nr_b; j++) {
			unsigned int least = last[j - 1] + (fold(a[i - 1]) != fold(b[j - 1]));

			least = last[j] + 1 < least ? last[j] + 1 : least;
			least = now[j - 1] + 1 < least ? now[j - 1] + 1 : least;
			if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
			    fold(a[i - 2]) == fold(b[j - 1]) && before[j - 2] + 1 < least)
				least = before[j - 2] + 1;
			now[j] = least;
		}
	}
	return rows[nr_a % 3][nr_b];
}

const char *text_nearest(const char *word, const char *const *names)
{
	/* Half of a short word is not a slip. */
	unsigned int best = strlen(word) < 5 ? 2 : 3;
	const char *nearest = NULL;

	for (; *names; names++) {
		unsigned int d = distance(word, *names);

		if (d < best) {
			best = d;
			nearest = *names;
		}
	}
	return nearest;
}

bool text_is_name_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("._:@+-", c));
}

size_t text_cut(const char *text, size_t max)
{
	size_t len = strnlen(text, max + 1);

	if (len <= max)
		return len;
	for (len = max; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80; len--)
		;
	return len;
}

/* The bytes of the unwanted character at @p, 0 for one that may stay. */
static size_t unwanted(const unsigned char *p)
{
	if (p[0] < ' ' || p[0] == 0x7f)
		return 1;
	if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) /* C1 */
		return 2;
	if (p[0] == 0xd8 && p[1] == 0x9c) /* U+061C */
		return 2;
	if (p[0] != 0xe2)
		return 0;
	/* U+200E, U+200F, U+2028 to U+202E; U+2066 to U+2069 */
	if (p[1] == 0x80 && (p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae)))
		return 3;
	return p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9 ? 3 : 0;
}

void text_clean(char *text, const char *keep)
{
	char *to = text;

	while (*text) {
		size_t len = strchr(keep, *text) ? 0 : unwanted((const unsigned char *)text);

		*to++ = len ? '?' : *text;
		text += len ? len : 1;
	}
	*to = '\0';
}
