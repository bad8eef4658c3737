// flood: talks without an end. lines=N stops it after N lines (0 = never), width=N is the length of a line.
#include "runtime.h"

int guest_main(void)
{
    u64 lines = argument_number("lines", 0), width = argument_number("width", 64);
    for (u64 line = 0; lines == 0 || line < lines; line++) {
        print("flood %lu ", line);
        for (u64 i = 0; i < width; i++) {
            print("%c", (int)('a' + (line + i) % 26));
        }
        print("\n");
    }
    print("flood: done\n");
    return 0;
}
