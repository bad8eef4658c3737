using System.Collections.Generic;

namespace Xenolith.Toolstack;

/// <summary>How Xenolith treats a key of xl.cfg(5).</summary>
public enum XlKeyService
{
    /// <summary>Not in xl.cfg(5).</summary>
    Unknown,

    /// <summary>Read and honoured.</summary>
    Served,

    /// <summary>Known, and of no effect on this machine: nothing is said.</summary>
    Accepted,

    /// <summary>Known, but what it asks for is not served: the user is told.</summary>
    NotServed,
}

/// <summary>The keys of xl.cfg(5), Xen 4.17, and what becomes of each.</summary>
public static class XlKeys
{
    private static readonly Dictionary<string, XlKeyService> Table = Build();

    public static XlKeyService Find(string key) => Table.GetValueOrDefault(key, XlKeyService.Unknown);

    private static Dictionary<string, XlKeyService> Build()
    {
        Dictionary<string, XlKeyService> table = [];
        Add(table, XlKeyService.Served, "name type builder kernel ramdisk cmdline extra root memory maxmem vcpus maxvcpus");
        Add(table, XlKeyService.Served, "on_poweroff on_reboot on_crash on_watchdog on_soft_reset");

        // Scheduling weights, placement, host features: nothing here that they could change.
        Add(table, XlKeyService.Accepted,
            "uuid hap pool cpus cpus_soft cpu_weight cap numa localtime rtc_timeoffset seclabel init_seclabel tsc_mode pae acpi apic nx hpet vpt_align timer_mode "
            + "oos max_grant_frames max_maptrack_frames max_event_channels xen_platform_pci viridian nestedhvm poolid device_tree bios_mode "
            + "vnc sdl nographic serial usb soundhw boot keymap shadow_memory exec_mode mca_caps acpi_s3 acpi_s4 acpi_slic ms_vm_genid "
            + "claim_mode suppress_vmdesc max_altp2m vmtrace_buf_kb vpmu passthrough xend_suspend_evtchn_compat msr_relaxed bios");
        Add(table, XlKeyService.NotServed,
            "disk vif vif2 vfb vtpm p9 pci pvcalls vdispl vsnd vkb vusb usbctrl usbdev channel rdm nic cpuid altp2m gfx_passthru stdvga "
            + "device_model_version device_model_override device_model_args firmware firmware_override loader bootloader bootloader_args "
            + "ioports irqs iomem irq vnuma dtdev vga videoram spice virtio e820_host driver_domain ocaml_device_model nomigrate argo tee");
        return table;
    }

    private static void Add(Dictionary<string, XlKeyService> table, XlKeyService service, string keys)
    {
        foreach (string key in keys.Split(' '))
        {
            table.Add(key, service);
        }
    }
}
