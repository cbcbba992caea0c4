import Glibc

/// Ranges of addresses and the memory behind them.
package enum AddressSpace {
    /// Reserves addresses without memory; nil if the process may not have so many.
    package static func reserve(_ bytes: Int) -> UnsafeMutableRawPointer? {
        let address = mmap(nil, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        return address == MAP_FAILED ? nil : address
    }

    package static func release(_ address: UnsafeMutableRawPointer, _ bytes: Int) { munmap(address, bytes) }

    /// Makes reserved addresses usable. Returns false if there is no memory.
    ///
    /// - Parameter inHugePages: Whether to use huge pages if the system has them: fewer page-table walks.
    package static func commit(_ address: UnsafeMutableRawPointer, _ bytes: Int, inHugePages: Bool) -> Bool {
        guard mprotect(address, bytes, PROT_READ | PROT_WRITE) == 0 else { return false }
        if inHugePages { madvise(address, bytes, MADV_HUGEPAGE) }         // optional, so errors are ignored
        return true
    }

    /// From now on, uses small pages for the pages that lie completely in a range. Errors are ignored: they only cost memory.
    package static func disableHugePages(_ address: UnsafeMutableRawPointer, _ bytes: Int) { advise(MADV_NOHUGEPAGE, address, bytes) }

    /// Gives the memory of the pages that lie completely in a range back to the system. Their contents are lost.
    package static func discard(_ address: UnsafeMutableRawPointer, _ bytes: Int) { advise(MADV_DONTNEED, address, bytes) }

    private static func advise(_ advice: Int32, _ address: UnsafeMutableRawPointer, _ bytes: Int) {
        let page = Machine.pageSize
        let start = Int(bitPattern: address)
        let first = (start + page - 1) / page * page
        let end = (start + bytes) / page * page
        if first < end, let address = UnsafeMutableRawPointer(bitPattern: first) { madvise(address, end - first, advice) }
    }
}
