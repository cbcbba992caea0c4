internal import CHDF5

/// An HDF5 object (file, group, dataset, type, property list) that is released with this value.
///
///     let space = try H5Handle(H5Screate(H5S_SCALAR), "H5Screate")
struct H5Handle: ~Copyable {
    let id: hid_t

    init(_ id: hid_t, _ function: StaticString) throws(H5Error) {
        guard id >= 0 else { throw H5Error(function: "\(function)") }
        self.id = id
    }

    deinit { H5Idec_ref(id) }

    /// Closes a file. HDF5 writes most of it now, and can fail.
    consuming func closeFile() throws(H5Error) {
        let id = id
        discard self
        try H5Error.check(H5Fclose(id), "H5Fclose")
    }
}

/// A failed HDF5 call. HDF5 works only in memory here, so the cause is lack of memory or a bug in slm.
struct H5Error: Error {
    let function: String

    static func check(_ result: some SignedInteger, _ function: StaticString) throws(H5Error) {
        guard result >= 0 else { throw H5Error(function: "\(function)") }
    }
}
