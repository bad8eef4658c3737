using System;
using System.Collections.Generic;

namespace Xenolith.Oracle.Paging;

/// <summary>How the oracle says that a translation ended.</summary>
public enum OracleEnd
{
    Ok,
    PageFault,
    EptViolation,
    EptMisconfiguration,
    Denied,
}

/// <summary>What software asks for: read, write, fetch.</summary>
public enum OracleAccess
{
    Read = 0,
    Write = 1,
    Fetch = 2,
}

/// <summary>Everything that the answer depends on, as plain switches.</summary>
public sealed class OracleInput
{
    public bool Paging, WriteProtect, PaeBit, PseBit, La57, Smep, Smap, Pke, Pks, Nxe, LongMode, Ept, EptDirty, EptModeBased;
    public bool UserMode, AcSet;
    public ulong Cr3, EptTable, Linear;
    public int EptLevels, MaxPhyAddr;
    public uint Pkru, Pkrs;
    public ulong[] Pdpte = new ulong[4];
    public OracleAccess Access;

    /// <summary>The isolation unit: (host address, access, in the hypervisor's name) to allowed.</summary>
    public Func<ulong, OracleAccess, bool, bool> Allowed = (_, _, _) => true;
}

/// <summary>The oracle's answer.</summary>
public sealed class OracleOutput
{
    public OracleEnd End;
    public ulong GuestPhysical, HostPhysical, Qualification, FaultGuestPhysical, DeniedAddress;
    public uint ErrorCode;
    public OracleAccess DeniedAccess;
    public int GuestReferences, EptReferences, Updates, Judged;

    /// <summary>Bytes of memory that accessed and dirty bits change: address, width in bytes, value.</summary>
    public List<(ulong Address, int Width, ulong Value)> Writes = [];
}

/// <summary>
/// A second implementation of x86 paging with EPT, slow and obvious: each paging mode is written out level by level after SDM 3A
/// "Paging" and SDM 3C "The Extended Page Table Mechanism (EPT)", every bit by its number. It shares no code with src/.
/// </summary>
public sealed unsafe class PagingOracle(byte* memory, ulong memorySize)
{
    private OracleInput _in = new();
    private OracleOutput _out = new();
    private bool _done;

    // What guest paging found: the rights of all levels together, and the entries to mark.
    private bool _user, _writable, _executeDisable;
    private int _key;
    private readonly List<(ulong Guest, ulong Host, int Width, ulong Value, bool EptWritable, ulong EptBits)> _entries = [];

    public OracleOutput Translate(OracleInput input)
    {
        _in = input;
        _out = new OracleOutput();
        _done = false;
        _entries.Clear();
        _user = true;
        _writable = true;
        _executeDisable = false;
        _key = 0;

        ulong? guest = input.Linear;
        if (input.Paging)
        {
            guest = !input.PaeBit ? Walk32() : !input.LongMode ? WalkPae() : input.La57 ? Walk5() : Walk4(input.Cr3);
            if (guest is not null && !RightsAllow())
            {
                PageFault(present: true, reserved: false, key: KeyForbids());
            }

            if (!_done)
            {
                MarkGuestEntries();
            }
        }

        if (_done)
        {
            return _out;
        }

        _out.GuestPhysical = guest!.Value;
        ulong? host = SecondStage(guest.Value, input.Access, structure: false, out _, out _);
        if (host is null || !Judge(host.Value, input.Access, hypervisor: false, structure: false, guestStructure: false, guest.Value))
        {
            return _out;
        }

        _out.HostPhysical = host.Value;
        return _out;
    }

    private static bool Bit(ulong value, int bit) => ((value >> bit) & 1) != 0;

    private static ulong Field(ulong value, int high, int low) => (value >> low) & (high - low == 63 ? ulong.MaxValue : (1UL << (high - low + 1)) - 1);

    private static bool AnyBit(ulong value, int high, int low) => high >= low && Field(value, high, low) != 0;

    // ---- SDM 3A "32-Bit Paging" ----
    private ulong? Walk32()
    {
        ulong linear = _in.Linear;
        if (!GuestEntry((Field(_in.Cr3, 31, 12) << 12) | (Field(linear, 31, 22) << 2), 4, out ulong pde))
        {
            return null;
        }

        if (!Bit(pde, 0))
        {
            return PageFault(present: false, reserved: false, key: false);
        }

        if (_in.PseBit && Bit(pde, 7))
        {
            // 4-MByte page; M = min(40, MAXPHYADDR); bits 20:13 give address bits 39:32; bits 21:(M-19) are reserved.
            int m = Math.Min(40, _in.MaxPhyAddr);
            if (AnyBit(pde, 21, m - 19))
            {
                return PageFault(present: true, reserved: true, key: false);
            }

            Gather(pde, hasExecuteDisable: false);
            return (Field(pde, 20, 13) << 32) | (Field(pde, 31, 22) << 22) | Field(linear, 21, 0);
        }

        Gather(pde, hasExecuteDisable: false);
        if (!GuestEntry((Field(pde, 31, 12) << 12) | (Field(linear, 21, 12) << 2), 4, out ulong pte))
        {
            return null;
        }

        if (!Bit(pte, 0))
        {
            return PageFault(present: false, reserved: false, key: false);
        }

        Gather(pte, hasExecuteDisable: false);
        return (Field(pte, 31, 12) << 12) | Field(linear, 11, 0);
    }

    // ---- SDM 3A "PAE Paging" ----
    private ulong? WalkPae()
    {
        ulong linear = _in.Linear;
        ulong pdpte = _in.Pdpte[Field(linear, 31, 30)];
        if (!Bit(pdpte, 0))
        {
            return PageFault(present: false, reserved: false, key: false);
        }

        return WalkDirectory(Field(pdpte, 51, 12) << 12, pae: true);
    }

    // ---- SDM 3A "4-Level Paging and 5-Level Paging" ----
    private ulong? Walk5()
    {
        if (!GuestEntry((Field(_in.Cr3, 51, 12) << 12) | (Field(_in.Linear, 56, 48) << 3), 8, out ulong pml5e))
        {
            return null;
        }

        if (!Bit(pml5e, 0))
        {
            return PageFault(present: false, reserved: false, key: false);
        }

        if (Bit(pml5e, 7) || Reserved(pml5e, pae: false))
        {
            return PageFault(present: true, reserved: true, key: false);
        }

        Gather(pml5e, hasExecuteDisable: true);
        return Walk4(Field(pml5e, 51, 12) << 12);
    }

    private ulong? Walk4(ulong pml4)
    {
        ulong linear = _in.Linear;
        if (!GuestEntry((Field(pml4, 51, 12) << 12) | (Field(linear, 47, 39) << 3), 8, out ulong pml4e))
        {
            return null;
        }

        if (!Bit(pml4e, 0))
        {
            return PageFault(present: false, reserved: false, key: false);
        }

        if (Bit(pml4e, 7) || Reserved(pml4e, pae: false))
        {
            return PageFault(present: true, reserved: true, key: false);
        }

        Gather(pml4e, hasExecuteDisable: true);
        if (!GuestEntry((Field(pml4e, 51, 12) << 12) | (Field(linear, 38, 30) << 3), 8, out ulong pdpte))
        {
            return null;
        }

        if (!Bit(pdpte, 0))
        {
            return PageFault(present: false, reserved: false, key: false);
        }

        if (Reserved(pdpte, pae: false) || (Bit(pdpte, 7) && AnyBit(pdpte, 29, 13)))
        {
            return PageFault(present: true, reserved: true, key: false);
        }

        Gather(pdpte, hasExecuteDisable: true);
        if (Bit(pdpte, 7))
        {
            _key = (int)Field(pdpte, 62, 59);
            return (Field(pdpte, 51, 30) << 30) | Field(linear, 29, 0);
        }

        return WalkDirectory(Field(pdpte, 51, 12) << 12, pae: false);
    }

    /// <summary>The page directory and page table that PAE, 4-level and 5-level paging have in common.</summary>
    private ulong? WalkDirectory(ulong directory, bool pae)
    {
        ulong linear = _in.Linear;
        if (!GuestEntry(directory | (Field(linear, 29, 21) << 3), 8, out ulong pde))
        {
            return null;
        }

        if (!Bit(pde, 0))
        {
            return PageFault(present: false, reserved: false, key: false);
        }

        if (Reserved(pde, pae) || (Bit(pde, 7) && AnyBit(pde, 20, 13)))
        {
            return PageFault(present: true, reserved: true, key: false);
        }

        Gather(pde, hasExecuteDisable: true);
        if (Bit(pde, 7))
        {
            _key = (int)Field(pde, 62, 59);
            return (Field(pde, 51, 21) << 21) | Field(linear, 20, 0);
        }

        if (!GuestEntry((Field(pde, 51, 12) << 12) | (Field(linear, 20, 12) << 3), 8, out ulong pte))
        {
            return null;
        }

        if (!Bit(pte, 0))
        {
            return PageFault(present: false, reserved: false, key: false);
        }

        if (Reserved(pte, pae))
        {
            return PageFault(present: true, reserved: true, key: false);
        }

        Gather(pte, hasExecuteDisable: true);
        _key = (int)Field(pte, 62, 59);
        return (Field(pte, 51, 12) << 12) | Field(linear, 11, 0);
    }

    /// <summary>Reserved in each 8-byte entry: 51:MAXPHYADDR; 63 unless IA32_EFER.NXE; 62:52 under PAE paging.</summary>
    private bool Reserved(ulong entry, bool pae) =>
        AnyBit(entry, 51, _in.MaxPhyAddr) || (Bit(entry, 63) && !_in.Nxe) || (pae && AnyBit(entry, 62, 52));

    private void Gather(ulong entry, bool hasExecuteDisable)
    {
        _writable = _writable && Bit(entry, 1);
        _user = _user && Bit(entry, 2);
        _executeDisable = _executeDisable || (hasExecuteDisable && Bit(entry, 63));
    }

    // ---- SDM 3A "Determination of Access Rights" ----
    private bool RightsAllow()
    {
        bool supervisorMode = !_in.UserMode;
        switch (_in.Access)
        {
            case OracleAccess.Read when supervisorMode && !_user:
                return !KeyForbids();
            case OracleAccess.Read when supervisorMode:
                return (!_in.Smap || _in.AcSet) && !KeyForbids();
            case OracleAccess.Write when supervisorMode && !_user:
                return (!_in.WriteProtect || _writable) && !KeyForbids();
            case OracleAccess.Write when supervisorMode:
                return (!_in.Smap || _in.AcSet) && (!_in.WriteProtect || _writable) && !KeyForbids();
            case OracleAccess.Fetch when supervisorMode && !_user:
                return !_executeDisable;
            case OracleAccess.Fetch when supervisorMode:
                return !_in.Smep && !_executeDisable;
            case OracleAccess.Read:
                return _user && !KeyForbids();
            case OracleAccess.Write:
                return _user && _writable && !KeyForbids();
            default:
                return _user && !_executeDisable;
        }
    }

    // ---- SDM 3A "Protection Keys" ----
    private bool KeyForbids()
    {
        if (!_in.LongMode || _in.Access == OracleAccess.Fetch)
        {
            return false;
        }

        bool accessDisable, writeDisable;
        if (_user)
        {
            accessDisable = _in.Pke && Bit(_in.Pkru, 2 * _key);
            writeDisable = _in.Pke && Bit(_in.Pkru, (2 * _key) + 1);
        }
        else
        {
            // IA32_PKRS limits supervisor-mode accesses to supervisor-mode addresses.
            accessDisable = _in.Pks && !_in.UserMode && Bit(_in.Pkrs, 2 * _key);
            writeDisable = _in.Pks && !_in.UserMode && Bit(_in.Pkrs, (2 * _key) + 1);
        }

        return accessDisable || (writeDisable && _in.Access == OracleAccess.Write && (_in.UserMode || _in.WriteProtect));
    }

    // ---- SDM 3A "Page-Fault Exceptions" ----
    private ulong? PageFault(bool present, bool reserved, bool key)
    {
        _done = true;
        _out.End = OracleEnd.PageFault;
        _out.ErrorCode = (present ? 1u : 0) | (reserved ? 8u : 0) | (key ? 32u : 0) | AccessBits();
        return null;
    }

    private uint AccessBits()
    {
        uint bits = (_in.Access == OracleAccess.Write ? 2u : 0) | (_in.UserMode ? 4u : 0);
        bool instruction = _in.Access == OracleAccess.Fetch && (_in.Smep || (_in.PaeBit && _in.Nxe));
        return bits | (instruction ? 16u : 0);
    }

    // ---- SDM 3A "Accessed and Dirty Flags" ----
    private void MarkGuestEntries()
    {
        for (int i = 0; i < _entries.Count && !_done; i++)
        {
            (ulong Guest, ulong Host, int Width, ulong Value, bool EptWritable, ulong EptBits) entry = _entries[i];
            ulong wanted = entry.Value | (1UL << 5);
            if (i == _entries.Count - 1 && _in.Access == OracleAccess.Write)
            {
                wanted |= 1UL << 6;
            }

            if (wanted == entry.Value)
            {
                continue;
            }

            if (!entry.EptWritable)
            {
                // Reported as a read and a write; clear bit 8: the update of an accessed or dirty bit.
                EptViolation(entry.Guest, 3, entry.EptBits, structure: true);
                return;
            }

            _out.Updates++;
            if (Judge(entry.Host, OracleAccess.Write, hypervisor: false, structure: true, guestStructure: true, entry.Guest))
            {
                Write(entry.Host, entry.Width, wanted);
            }
        }
    }

    private bool GuestEntry(ulong guest, int width, out ulong value)
    {
        value = 0;
        ulong? host = SecondStage(guest, _in.EptDirty && _in.Ept ? OracleAccess.Write : OracleAccess.Read, structure: true, out bool eptWritable, out ulong eptBits);
        if (host is null)
        {
            return false;
        }

        _out.GuestReferences++;
        if (!Judge(host.Value, OracleAccess.Read, hypervisor: false, structure: true, guestStructure: true, guest))
        {
            return false;
        }

        value = Read(host.Value, width);
        _entries.Add((guest, host.Value, width, value, eptWritable, eptBits));
        return true;
    }

    // ---- SDM 3C "The Extended Page Table Mechanism (EPT)" ----
    private ulong? SecondStage(ulong guest, OracleAccess access, bool structure, out bool eptWritable, out ulong eptBits)
    {
        eptWritable = true;
        eptBits = 0;
        if (!_in.Ept)
        {
            return guest;
        }

        ulong asked = access switch { OracleAccess.Read => 1, OracleAccess.Write => structure ? 3UL : 2, _ => 4 };
        bool read = true, write = true, execute = true, userExecute = true;
        List<(ulong Address, ulong Value)> used = [];
        ulong table = _in.EptTable;
        int top = _in.EptLevels == 5 ? 48 : 39;
        if (guest >> (top + 9) != 0)
        {
            return EptViolation(guest, asked, 0, structure);
        }

        for (int low = top; ; low -= 9)
        {
            ulong address = table + (Field(guest, low + 8, low) << 3);
            _out.EptReferences++;
            if (!Judge(address, OracleAccess.Read, hypervisor: true, structure, guestStructure: structure, guest))
            {
                return null;
            }

            ulong entry = Read(address, 8);
            bool present = AnyBit(entry, 2, 0) || (_in.EptModeBased && Bit(entry, 10));
            if (!present)
            {
                return EptViolation(guest, asked, 0, structure);
            }

            bool page = low == 12 || (Bit(entry, 7) && low is 21 or 30 && Bit(entry, 7));
            if (Misconfigured(entry, low, page))
            {
                _done = true;
                _out.End = OracleEnd.EptMisconfiguration;
                _out.FaultGuestPhysical = guest;
                return null;
            }

            read = read && Bit(entry, 0);
            write = write && Bit(entry, 1);
            execute = execute && Bit(entry, 2);
            userExecute = userExecute && Bit(entry, _in.EptModeBased ? 10 : 2);
            used.Add((address, entry));
            table = Field(entry, 51, 12) << 12;
            if (!page)
            {
                continue;
            }

            eptBits = (read ? 8UL : 0) | (write ? 16UL : 0) | (execute ? 32UL : 0) | (_in.EptModeBased && userExecute ? 64UL : 0);
            if (!(access == OracleAccess.Read ? read : access == OracleAccess.Write ? write : _user ? userExecute : execute))
            {
                return EptViolation(guest, asked, eptBits, structure);
            }

            eptWritable = write;
            return MarkEptEntries(used, access, structure, guest)
                ? (Field(entry, 51, low) << low) | Field(guest, low - 1, 0)
                : null;
        }
    }

    // ---- SDM 3C "EPT Misconfigurations" ----
    private bool Misconfigured(ulong entry, int low, bool page)
    {
        if (Bit(entry, 1) && !Bit(entry, 0))
        {
            return true;
        }

        if (AnyBit(entry, 51, _in.MaxPhyAddr))
        {
            return true;
        }

        if (!page)
        {
            return low >= 39 ? AnyBit(entry, 7, 3) : AnyBit(entry, 6, 3);
        }

        return AnyBit(entry, low - 1, 12) || Field(entry, 5, 3) is 2 or 3 or 7;
    }

    // ---- SDM 3C "Accessed and Dirty Flags for EPT" ----
    private bool MarkEptEntries(List<(ulong Address, ulong Value)> used, OracleAccess access, bool structure, ulong guest)
    {
        for (int i = 0; i < used.Count && _in.EptDirty; i++)
        {
            ulong wanted = used[i].Value | (1UL << 8);
            if (i == used.Count - 1 && access == OracleAccess.Write)
            {
                wanted |= 1UL << 9;
            }

            if (wanted == used[i].Value)
            {
                continue;
            }

            _out.Updates++;
            if (!Judge(used[i].Address, OracleAccess.Write, hypervisor: true, structure, guestStructure: structure, guest))
            {
                return false;
            }

            Write(used[i].Address, 8, wanted);
        }

        return true;
    }

    // ---- SDM 3C "Exit Qualification for EPT Violations" ----
    private ulong? EptViolation(ulong guest, ulong asked, ulong eptBits, bool structure)
    {
        _done = true;
        _out.End = OracleEnd.EptViolation;
        _out.FaultGuestPhysical = guest;
        _out.Qualification = asked | eptBits | (1UL << 7);
        if (!structure)
        {
            _out.Qualification |= (1UL << 8) | (_user ? 1UL << 9 : 0) | (_writable ? 1UL << 10 : 0) | (_executeDisable ? 1UL << 11 : 0);
        }

        return null;
    }

    private bool Judge(ulong host, OracleAccess access, bool hypervisor, bool structure, bool guestStructure, ulong guest)
    {
        _out.Judged++;
        if (_in.Allowed(host, access, hypervisor))
        {
            return true;
        }

        _done = true;
        _out.End = OracleEnd.Denied;
        _out.DeniedAddress = host;
        _out.DeniedAccess = access;
        _out.FaultGuestPhysical = guest;
        _out.ErrorCode = 1u | (1u << 30) | AccessBits();
        _out.Qualification = (1UL << (int)access) | (structure || hypervisor ? 8UL : 0) | (1UL << 7) | (guestStructure ? 0 : 1UL << 8);
        return false;
    }

    private ulong Read(ulong address, int width)
    {
        for (int i = _out.Writes.Count - 1; i >= 0; i--)
        {
            if (_out.Writes[i].Address == address && _out.Writes[i].Width == width)
            {
                return _out.Writes[i].Value;
            }
        }

        if (address + (ulong)width > memorySize)
        {
            return width == 4 ? uint.MaxValue : ulong.MaxValue;
        }

        ulong value = 0;
        for (int i = width - 1; i >= 0; i--)
        {
            value = (value << 8) | memory[address + (ulong)i];
        }

        return value;
    }

    private void Write(ulong address, int width, ulong value)
    {
        if (address + (ulong)width <= memorySize)
        {
            _out.Writes.Add((address, width, value | Read(address, width)));
        }
    }
}
