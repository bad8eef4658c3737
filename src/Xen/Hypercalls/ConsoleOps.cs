using System;

using Xenolith.Xen.Abi;

namespace Xenolith.Xen;

/// <summary>console_io (xen/include/public/xen.h).</summary>
internal static class ConsoleOps
{
    public static unsafe HypercallEntry[] Rows { get; } =
    [
        HypercallEntry.Serve(HypercallNumber.ConsoleIo, 0, "CONSOLEIO_write", &Shells.Plain<WriteOp>, "every domain: Xen's emergency console"),
        HypercallEntry.Serve(HypercallNumber.ConsoleIo, 1, "CONSOLEIO_read", &Shells.Plain<ReadOp>, "every domain: no input is ever there"),
    ];

    /// <summary>CONSOLEIO_write(count, string).</summary>
    private readonly struct WriteOp : IHypercall
    {
        private const int ChunkBytes = 1024;

        public static long Execute(HypercallContext call)
        {
            if (call.Args[1] > int.MaxValue)
            {
                return Errno.EINVAL.Negated();
            }

            Span<byte> chunk = stackalloc byte[ChunkBytes];
            ulong left = call.Args[1];
            ulong handle = call.Args[2];
            while (left > 0)
            {
                int count = (int)Math.Min(left, ChunkBytes);
                if (!call.TryReadBytes(handle, chunk[..count]))
                {
                    return Errno.EFAULT.Negated();
                }

                call.Hypervisor.WriteConsole(call.Caller, chunk[..count]);
                handle += (uint)count;
                left -= (uint)count;
            }

            return 0;
        }
    }

    /// <summary>CONSOLEIO_read(count, buffer): input goes to the console ring, never here.</summary>
    private readonly struct ReadOp : IHypercall
    {
        public static long Execute(HypercallContext call) => 0;
    }
}
