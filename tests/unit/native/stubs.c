/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files under test expect of the runtime. */
#include "native.h"

void rt_panic(const char *format, ...) {
	va_list arguments;

	printf("not ok - panic: ");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	exit(1);
}
