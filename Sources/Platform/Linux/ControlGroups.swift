import Files

/// The limits that control groups (cgroups, versions 1 and 2) set to this process: those of its container, its systemd unit and
/// whatever else encloses it.
///
///     let groups = ControlGroups()
///     groups.cores                                             // Limit(value: 1.5, file: "/sys/fs/cgroup/cpu.max")
///
/// A limit of an enclosing group also holds for the groups in it, so all groups from the process's own up to the root are read.
package struct ControlGroups {
    package struct Limit<Value: Comparable & Sendable>: Sendable {
        package let value: Value
        /// The file that sets the limit.
        package let file: String
    }

    /// CPU time per second, in cores; nil without a limit.
    package private(set) var cores: Limit<Double>?
    /// Memory in bytes; nil without a limit.
    package private(set) var memory: Limit<Int>?
    /// The memory that is left below the limits, in bytes; nil without a limit.
    package private(set) var availableMemory: Int?

    private let root: String

    /// - Parameter root: The root of the file system; a test passes a folder with files like the system's.
    package init(root: String = "") {
        self.root = root
        let mounts = (lines(of: "/proc/self/mountinfo") ?? []).compactMap(Mount.init)
        for line in lines(of: "/proc/self/cgroup") ?? [] {
            // hierarchy:controllers:path
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let controllers = parts[1].split(separator: ",").map(String.init), path = String(parts[2])
            if parts[0] == "0", controllers.isEmpty, let mount = mounts.last(where: { $0.type == "cgroup2" }) {
                for folder in mount.folders(of: path) {
                    readCores(unified: folder)
                    for file in ["memory.max", "memory.high"] {
                        readMemory("\(folder)/\(file)", usage: "\(folder)/memory.current", statistics: folder, reclaimable: "inactive_file")
                    }
                }
            }
            if controllers.contains("cpu"), let mount = mounts.last(where: { $0.controllers.contains("cpu") }) {
                for folder in mount.folders(of: path) { readCores(quota: folder) }
            }
            if controllers.contains("memory"), let mount = mounts.last(where: { $0.controllers.contains("memory") }) {
                for folder in mount.folders(of: path) {
                    readMemory("\(folder)/memory.limit_in_bytes", usage: "\(folder)/memory.usage_in_bytes", statistics: folder,
                               reclaimable: "total_inactive_file")
                }
            }
        }
    }

    /// cpu.max: "QUOTA PERIOD" in microseconds, or "max PERIOD".
    private mutating func readCores(unified folder: String) {
        let file = "\(folder)/cpu.max", words = lines(of: file)?.first?.split(separator: " ") ?? []
        if words.count == 2 { limitCores(quota: Int(words[0]), period: Int(words[1]), file) }
    }

    /// cpu.cfs_quota_us is -1 without a limit.
    private mutating func readCores(quota folder: String) {
        limitCores(quota: integer(in: "\(folder)/cpu.cfs_quota_us"), period: integer(in: "\(folder)/cpu.cfs_period_us"),
                   "\(folder)/cpu.cfs_quota_us")
    }

    private mutating func limitCores(quota: Int?, period: Int?, _ file: String) {
        guard let quota, let period, quota > 0, period > 0 else { return }
        let value = Double(quota) / Double(period)
        if cores.map({ value < $0.value }) ?? true { cores = Limit(value: value, file: file) }
    }

    /// The system keeps a group below its limit by dropping cached file pages, so those of them that are not in use count as free.
    private mutating func readMemory(_ file: String, usage: String, statistics folder: String, reclaimable key: String) {
        // Version 1 writes about 2⁶³ for "no limit", version 2 "max".
        guard let value = integer(in: file), value >= 0, value < 1 << 62 else { return }
        if memory.map({ value < $0.value }) ?? true { memory = Limit(value: value, file: file) }
        guard let used = integer(in: usage) else { return }
        let cached = lines(of: "\(folder)/memory.stat")?.first { $0.hasPrefix("\(key) ") }
            .flatMap { Int($0.dropFirst(key.utf8.count + 1)) } ?? 0
        let left = max(0, value - max(0, used - cached))
        availableMemory = min(availableMemory ?? left, left)
    }

    private func integer(in path: String) -> Int? { lines(of: path)?.first.flatMap { Int($0) } }

    /// nil if the file does not exist or cannot be read: then it limits nothing.
    private func lines(of path: String) -> [Substring]? {
        do throws(FileError) {
            return String(decoding: try InputFile.contents(of: root + path), as: UTF8.self).split(separator: "\n")
        } catch { return nil }
    }
}

/// A line of /proc/self/mountinfo that mounts a hierarchy of control groups.
private struct Mount {
    let type: String
    /// The group whose folder is mounted.
    let group: String
    let mountPoint: String
    /// Version 1: the controllers of the hierarchy, among other options.
    let controllers: Set<String>

    /// ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS [TAG]… - TYPE SOURCE SUPEROPTIONS
    init?(_ line: Substring) {
        let words = line.split(separator: " ")
        guard words.count > 5, let dash = words[6...].firstIndex(of: "-"), dash + 3 < words.count else { return nil }
        type = String(words[dash + 1])
        guard type == "cgroup" || type == "cgroup2" else { return nil }
        group = Self.unescaped(words[3])
        mountPoint = Self.unescaped(words[4])
        controllers = type == "cgroup" ? Set(words[dash + 3].split(separator: ",").map(String.init)) : []
    }

    /// The folders of a group and of all groups that enclose it, as far as they are mounted here.
    ///
    /// A container may see the path of its group on the host, which it does not have mounted. Then the mount point is its group.
    func folders(of path: String) -> [String] {
        var inside = path[...]
        if group != "/" { inside = path == group || path.hasPrefix(group + "/") ? path.dropFirst(group.count) : "" }
        if inside.split(separator: "/").contains("..") { inside = "" }
        while inside.hasSuffix("/") { inside.removeLast() }
        var result = [mountPoint + inside]
        while let slash = inside.lastIndex(of: "/") {
            inside = inside[..<slash]
            result.append(mountPoint + inside)
        }
        return result
    }

    /// Spaces and a few other characters are written as a backslash and three octal digits.
    private static func unescaped(_ text: Substring) -> String {
        var bytes: [UInt8] = [], rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3, let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8) {
                bytes.append(code)
                rest.removeFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
