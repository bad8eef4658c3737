// COM1, polled: what this image says about itself.
#pragma once

#include "types.h"

// %s, %u (u32), %x (u64), nothing else.
void say(const char *format, ...);
