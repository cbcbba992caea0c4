internal import CHDF5

/// Something that HDF5 keeps for us (a file, group, dataset, type, list of properties), exactly as long as this value lives.
///
///     let space = try H5Handle(H5Screate(H5S_SCALAR), "H5Screate")
struct H5Handle: ~Copyable {
    let id: hid_t

    init(_ id: hid_t, _ function: StaticString) throws(H5Refusal) {
        guard id >= 0 else { throw H5Refusal(function: "\(function)") }
        self.id = id
    }

    deinit { H5Idec_ref(id) }

    /// Closes a file now, which is when HDF5 writes most of it, and may fail.
    consuming func closeFile() throws(H5Refusal) {
        let id = id
        discard self
        try H5Refusal.check(H5Fclose(id), "H5Fclose")
    }
}

/// HDF5 did not do what it was asked for. It only ever works in memory here, so that is a lack of memory, or a mistake of ours.
struct H5Refusal: Error {
    let function: String

    static func check(_ result: some SignedInteger, _ function: StaticString) throws(H5Refusal) {
        guard result >= 0 else { throw H5Refusal(function: "\(function)") }
    }
}
