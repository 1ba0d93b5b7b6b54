/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files under test expect of the runtime. */
#include "native.h"

#include "libs/log/log.h"

void rt_panic(const char *format, ...) {
	va_list arguments;

	printf("not ok - panic: ");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	exit(1);
}

/* As a comment of TAP. */
void log_print(const char *format, ...) {
	va_list arguments;

	printf("# ");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
}
