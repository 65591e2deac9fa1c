// SPDX-License-Identifier: GPL-2.0-or-later
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
