// Formatted output, a line at a time. On Xen a line is one console_io hypercall; elsewhere (QEMU's -debugcon, and Xen's
// own debug port) it goes byte by byte to port 0xE9.
#include <stdarg.h>

#include "runtime.h"

#define DEBUG_PORT 0xE9

static char line[256];
static u32 line_length;

void console_flush(void)
{
    u32 length = line_length;
    line_length = 0;
    if (length == 0) {
        return;
    }
    if (machine.on_xen && hypercall(HYPERVISOR_console_io, 0 /* CONSOLEIO_write */, length, (u64)line, 0) >= 0) {
        return;
    }
    for (u32 i = 0; i < length; i++) {
        out8(DEBUG_PORT, (u8)line[i]);
    }
}

static void put(char c)
{
    line[line_length++] = c;
    if (c == '\n' || line_length == sizeof line) {
        console_flush();
    }
}

static void put_padded(const char *text, u32 length, u32 width, char padding)
{
    for (; width > length; width--) {
        put(padding);
    }
    for (u32 i = 0; i < length; i++) {
        put(text[i]);
    }
}

static void put_number(u64 value, u32 base, bool negative, u32 width, char padding)
{
    char digits[24];
    u32 at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    if (negative) {
        digits[--at] = '-';
    }
    put_padded(digits + at, sizeof digits - at, width, padding);
}

static void print_list(const char *format, va_list arguments)
{
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        format++;
        char padding = *format == '0' ? '0' : ' ';
        u32 width = 0;
        for (; *format >= '0' && *format <= '9'; format++) {
            width = width * 10 + (u32)(*format - '0');
        }
        bool is_long = *format == 'l';
        format += is_long;
        switch (*format) {
        case 'd': {
            i64 value = is_long ? va_arg(arguments, i64) : va_arg(arguments, int);
            put_number(value < 0 ? -(u64)value : (u64)value, 10, value < 0, width, padding);
            break;
        }
        case 'u':
            put_number(is_long ? va_arg(arguments, u64) : va_arg(arguments, u32), 10, false, width, padding);
            break;
        case 'x':
            put_number(is_long ? va_arg(arguments, u64) : va_arg(arguments, u32), 16, false, width, padding);
            break;
        case 's': {
            const char *text = va_arg(arguments, const char *);
            put_padded(text, (u32)strlen(text), width, ' ');
            break;
        }
        case 'c':
            put((char)va_arg(arguments, int));
            break;
        case '\0': // a lone % at the end
            return;
        default:
            put(*format);
            break;
        }
    }
}

void print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_list(format, arguments);
    va_end(arguments);
}

void panic(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print("panic: ");
    print_list(format, arguments);
    print("\n");
    va_end(arguments);
    power_off(1);
}
