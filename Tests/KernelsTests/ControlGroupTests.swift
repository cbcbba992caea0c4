import Files
import Kernels
import Platform
import TestSupport
import Testing

/// Limits of CPU and memory, in trees of files like those of the system.
@Suite struct ControlGroupTests {
    private let root = TemporaryFolder()

    /// The limits that a tree of files sets.
    private func groups(_ files: [String: String]) throws -> ControlGroups {
        for (path, text) in files {
            try Folder.create(root(path.split(separator: "/").dropLast().joined(separator: "/")))
            root.write(text, to: path)
        }
        return ControlGroups(root: root.path)
    }

    private let unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"

    @Test func `without limits, nothing is limited`() throws {
        for files in [
            [:],
            ["proc/self/cgroup": "0::/\n", "proc/self/mountinfo": unified, "sys/fs/cgroup/cpu.max": "max 100000\n"],
            ["proc/self/cgroup": "0::/\n", "proc/self/mountinfo": unified, "sys/fs/cgroup/cpu.max": "?", "sys/fs/cgroup/memory.max": ""],
            ["proc/self/cgroup": "not a line\n", "proc/self/mountinfo": "22 27 0:21 / /proc rw - proc\n1 2 3\n"],
        ] {
            let groups = try groups(files)
            #expect(groups.cores == nil && groups.memory == nil && groups.availableMemory == nil, "\(files)")
        }
    }

    @Test func `version 2: the lowest limit of all enclosing groups holds`() throws {
        let groups = try groups([
            "proc/self/cgroup": "0::/app.slice/app.service\n",
            "proc/self/mountinfo": "22 27 0:21 / /proc rw - proc proc rw\n" + unified,
            "sys/fs/cgroup/app.slice/app.service/cpu.max": "250000 100000\n",
            "sys/fs/cgroup/app.slice/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/app.slice/app.service/memory.max": "max\n",
            "sys/fs/cgroup/app.slice/app.service/memory.high": "600000000\n",
            "sys/fs/cgroup/app.slice/app.service/memory.current": "100000000\n",
            "sys/fs/cgroup/app.slice/app.service/memory.stat": "anon 5\nactive_file 7\ninactive_file 20000000\n",
            "sys/fs/cgroup/app.slice/memory.max": "900000000\n",
            "sys/fs/cgroup/app.slice/memory.current": "850000000\n",
        ])
        #expect(groups.cores?.value == 1.5 && groups.cores?.file == "/sys/fs/cgroup/app.slice/cpu.max")
        #expect(groups.memory?.value == 600_000_000)
        #expect(groups.memory?.file == "/sys/fs/cgroup/app.slice/app.service/memory.high")
        // The enclosing group is nearly full.
        #expect(groups.availableMemory == 50_000_000)
        let cores = CPU.cores(machine: 8, affinity: 8, groups)
        #expect(cores == .init(amount: 2, limitedBy: "/sys/fs/cgroup/app.slice/cpu.max"))
        #expect(CPU.cores(machine: 8, affinity: 1, groups) == .init(amount: 1, limitedBy: "taskset or a cpuset"))
        let memory = CPU.memory(machine: 2_000_000_000, groups)
        #expect(memory == .init(amount: 600_000_000, limitedBy: "/sys/fs/cgroup/app.slice/app.service/memory.high"))
        #expect(CPU.memory(machine: 500_000_000, groups) == .init(amount: 500_000_000, limitedBy: nil))
    }

    @Test func `hardware threads of a core count as one`() throws {
        for (thread, siblings) in ["0,4", "1,5", "2-3", "2-3", "0,4", "1,5"].enumerated() {
            try Folder.create(root("cpu\(thread)/topology"))
            root.write(siblings + "\n", to: "cpu\(thread)/topology/thread_siblings_list")
        }
        let topology = CoreTopology(root: root.path)
        #expect(topology.coreCount(of: [0, 1, 2, 3, 4, 5]) == 3 && topology.coreCount(of: [4, 0]) == 1)
        // One that the system does not list counts as a core.
        #expect(topology.coreCount(of: [5, 7]) == 2)
        let groups = try groups(["proc/self/cgroup": "0::/\n"])
        #expect(CPU.cores(machine: 6, affinity: 6, physical: 3, groups) == .init(amount: 3, limitedBy: nil))
        #expect(CPU.cores(machine: 6, affinity: 2, physical: 1, groups) == .init(amount: 1, limitedBy: "taskset or a cpuset"))
        #expect(CPU.cores.amount <= CPU.hardwareThreads.amount)
    }

    @Test func `version 2: cached pages of files that are not in use count as free`() throws {
        let groups = try groups([
            "proc/self/cgroup": "0::/\n", "proc/self/mountinfo": unified, "sys/fs/cgroup/memory.max": "1000\n",
            "sys/fs/cgroup/memory.current": "900\n", "sys/fs/cgroup/memory.stat": "file 800\ninactive_file 300\n",
        ])
        #expect(groups.availableMemory == 400)
    }

    /// Each controller has a hierarchy and a mount of its own; the container sees only its own groups.
    @Test func `version 1 in a container`() throws {
        let groups = try groups([
            "proc/self/cgroup": "4:memory:/docker/abc/inner\n3:cpuset:/docker/abc\n2:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n",
            "proc/self/mountinfo": """
                31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw
                32 31 0:29 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro master:9 - cgroup cgroup rw,cpu,cpuacct
                35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro master:12 - cgroup cgroup rw,memory

                """,
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "100000000\n",
            "sys/fs/cgroup/memory/memory.stat": "cache 9\ninactive_file 1\ntotal_inactive_file 10000000\n",
            "sys/fs/cgroup/memory/inner/memory.limit_in_bytes": "9223372036854771712\n",
        ])
        #expect(groups.cores?.value == 0.5 && groups.memory?.value == 536_870_912 && groups.availableMemory == 446_870_912)
        #expect(CPU.cores(machine: 4, affinity: 4, groups).amount == 1)
    }

    @Test func `version 1 without a quota`() throws {
        let groups = try groups([
            "proc/self/cgroup": "1:cpu:/a\n", "proc/self/mountinfo": "32 31 0:29 / /cpu rw - cgroup cgroup rw,cpu\n",
            "cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n",
            "cpu/a/cpu.cfs_quota_us": "-1\n", "cpu/a/cpu.cfs_period_us": "100000\n",
        ])
        #expect(groups.cores == nil)
    }

    /// The path of a group on the host, of which the container has mounted only an unknown part; a mount point with a space.
    @Test(arguments: ["/host/path", "/../other", "/sys"])
    func `a path that is not mounted stands for the mount point`(path: String) throws {
        let groups = try groups([
            "proc/self/cgroup": "0::\(path)\n",
            "proc/self/mountinfo": "30 23 0:26 /system /my\\040cgroup rw - cgroup2 cgroup2 rw\n",
            "my cgroup/memory.max": "1000000\n", "my cgroup/memory.current": "900000\n",
        ])
        #expect(groups.memory?.value == 1_000_000 && groups.memory?.file == "/my cgroup/memory.max" && groups.availableMemory == 100_000)
    }

    @Test func `this process has at least one core and some memory`() {
        #expect(CPU.availableCores >= 1 && CPU.memoryBytes > 16 << 20)
        #expect(CPU.availableMemory.map { $0 > 0 && $0 <= CPU.memoryBytes } ?? true)
    }
}
