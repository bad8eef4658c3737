// Words of the command line: "seed=7 secret=swordfish memory=16M".
#include "runtime.h"

// The text after "name=", or null.
static const char *find(const char *name)
{
    size_t length = strlen(name);
    const char *at = machine.command_line;
    while (*at != '\0') {
        while (*at == ' ') {
            at++;
        }
        if (memcmp(at, name, length) == 0 && at[length] == '=') {
            return at + length + 1;
        }
        while (*at != ' ' && *at != '\0') {
            at++;
        }
    }
    return NULL;
}

u64 argument_number(const char *name, u64 otherwise)
{
    const char *at = find(name);
    if (at == NULL) {
        return otherwise;
    }
    u32 base = 10;
    if (at[0] == '0' && at[1] == 'x') {
        base = 16;
        at += 2;
    }
    u64 value = 0;
    for (;; at++) {
        u32 digit = *at >= '0' && *at <= '9' ? (u32)(*at - '0') : *at >= 'a' && *at <= 'f' ? (u32)(*at - 'a') + 10 : 99;
        if (digit >= base) {
            break;
        }
        value = value * base + digit;
    }
    switch (*at) {
    case 'K':
        return value * KIB;
    case 'M':
        return value * MIB;
    case 'G':
        return value * GIB;
    default:
        return value;
    }
}

void argument_text(const char *name, const char *otherwise, char *buffer, size_t capacity)
{
    const char *at = find(name);
    if (at == NULL) {
        at = otherwise;
    }
    size_t length = 0;
    for (; at[length] != '\0' && at[length] != ' ' && length + 1 < capacity; length++) {
        buffer[length] = at[length];
    }
    buffer[length] = '\0';
}
