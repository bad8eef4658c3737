#include "serial.h"

#include <stdarg.h>

#include "cpu.h"

#define COM1 0x3F8
#define LINE_STATUS (COM1 + 5)
#define TRANSMITTER_EMPTY 0x20

static void put(char c)
{
    while ((in8(LINE_STATUS) & TRANSMITTER_EMPTY) == 0) {
        relax();
    }
    out8(COM1, (u8)c);
}

static void put_number(u64 value, u32 base)
{
    char digits[24];
    u32 at = 0;
    do {
        digits[at++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (at != 0) {
        put(digits[--at]);
    }
}

void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        switch (*++format) {
        case 's':
            for (const char *text = va_arg(arguments, const char *); *text != '\0'; text++) {
                put(*text);
            }
            break;
        case 'u':
            put_number(va_arg(arguments, u32), 10);
            break;
        default:
            put_number(va_arg(arguments, u64), 16);
            break;
        }
    }
    va_end(arguments);
}
