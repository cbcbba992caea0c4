internal import CHDF5

/// Creates an HDF5 file in memory with all groups and with arrays that have an offset but no numbers yet.
struct H5Builder {
    private let image: H5Image
    /// An upper bound for the bytes of HDF5's metadata.
    private let metadataSize: Int

    init(_ image: H5Image, metadataSize: Int) {
        self.image = image
        self.metadataSize = metadataSize
    }

    /// Creates the file and returns the offset of each array in it.
    func build(_ arrays: [ArrayDescription], in groups: [String]) throws(H5Error) -> [Int] {
        let file = try createFile(), arrayProperties = try self.arrayProperties(), members = Self.members(of: arrays)
        let links = try H5Handle(H5Pcreate(slm_h5_link_creation()), "H5Pcreate")
        try H5Error.check(H5Pset_char_encoding(links.id, H5T_CSET_UTF8), "H5Pset_char_encoding")
        var known: Set<String> = []
        func createGroup(_ path: String) throws(H5Error) {
            if !known.insert(path).inserted { return }
            if let parent = path.lastIndex(of: "/") { try createGroup(String(path[..<parent])) }
            let properties = try groupProperties(for: members[path] ?? (0, 0))
            _ = try H5Handle(H5Gcreate2(file.id, path, links.id, properties.id, slm_h5_default), "H5Gcreate2")
        }
        for group in groups { try createGroup(group) }
        var offsets: [Int] = []
        for array in arrays {
            if let group = array.path.lastIndex(of: "/") { try createGroup(String(array.path[..<group])) }
            let type = try self.type(array.type), sizes = array.shape.map { hsize_t($0) }
            let space = try H5Handle(
                sizes.isEmpty ? H5Screate(H5S_SCALAR) : H5Screate_simple(Int32(sizes.count), sizes, sizes), "H5Screate_simple"
            )
            let set = try H5Handle(
                H5Dcreate2(file.id, array.path, type.id, space.id, links.id, arrayProperties.id, slm_h5_default), "H5Dcreate2"
            )
            offsets.append(array.byteCount == 0 ? 0 : Int(bitPattern: UInt(H5Dget_offset(set.id))))
        }
        try file.closeFile()
        return offsets
    }

    private func createFile() throws(H5Error) -> H5Handle {
        let access = try H5Handle(H5Pcreate(slm_h5_file_access()), "H5Pcreate")
        try H5Error.check(H5Pset_fapl_core(access.id, 1 << 16, false), "H5Pset_fapl_core")
        var callbacks = image.callbacks
        try H5Error.check(H5Pset_file_image_callbacks(access.id, &callbacks), "H5Pset_file_image_callbacks")
        // The format of HDF5 1.8: every current tool reads it, and H5Reader reads only this one.
        try H5Error.check(H5Pset_libver_bounds(access.id, H5F_LIBVER_V18, H5F_LIBVER_V18), "H5Pset_libver_bounds")
        try H5Error.check(H5Pset_alignment(access.id, 1, 64), "H5Pset_alignment")
        try H5Error.check(H5Pset_meta_block_size(access.id, hsize_t(metadataSize)), "H5Pset_meta_block_size")
        try H5Error.check(H5Pset_small_data_block_size(access.id, 0), "H5Pset_small_data_block_size")
        let properties = try H5Handle(H5Pcreate(slm_h5_file_creation()), "H5Pcreate")
        try H5Error.check(H5Pset_userblock(properties.id, hsize_t(CheckpointHeader.size)), "H5Pset_userblock")
        try setLinks(of: properties.id)
        return try H5Handle(H5Fcreate("checkpoint", slm_h5_truncate, properties.id, access.id), "H5Fcreate")
    }

    /// Reserves space for all members of a group at once. Otherwise HDF5 searches all members for each one that is added.
    private func groupProperties(for members: (count: Int, nameBytes: Int)) throws(H5Error) -> H5Handle {
        let properties = try H5Handle(H5Pcreate(slm_h5_group_creation()), "H5Pcreate")
        try setLinks(of: properties.id)
        let count = UInt32(min(members.count, 65_535))
        let nameLength = UInt32(min(members.nameBytes / max(1, members.count) + 1, 65_535))
        try H5Error.check(H5Pset_est_link_info(properties.id, count, nameLength), "H5Pset_est_link_info")
        return properties
    }

    /// Counts the members of each group and the bytes of their names.
    private static func members(of arrays: [ArrayDescription]) -> [String: (count: Int, nameBytes: Int)] {
        var result: [String: (count: Int, nameBytes: Int)] = [:], known: Set<String> = []
        for array in arrays {
            var path = array.path
            while let separator = path.lastIndex(of: "/"), known.insert(path).inserted {
                let parent = String(path[..<separator])
                let old = result[parent] ?? (0, 0)
                result[parent] = (old.count + 1, old.nameBytes + path.utf8.count - parent.utf8.count)
                path = parent
            }
        }
        return result
    }

    /// Stores a group's links in its header, in creation order and without timestamps, so that equal checkpoints give identical files.
    private func setLinks(of properties: hid_t) throws(H5Error) {
        try H5Error.check(H5Pset_link_phase_change(properties, 65_535, 0), "H5Pset_link_phase_change")
        try H5Error.check(H5Pset_link_creation_order(properties, slm_h5_creation_order), "H5Pset_link_creation_order")
        try H5Error.check(H5Pset_obj_track_times(properties, false), "H5Pset_obj_track_times")
    }

    /// Contiguous arrays whose offset is assigned at creation, and which HDF5 does not fill.
    private func arrayProperties() throws(H5Error) -> H5Handle {
        let properties = try H5Handle(H5Pcreate(slm_h5_dataset_creation()), "H5Pcreate")
        try H5Error.check(H5Pset_layout(properties.id, H5D_CONTIGUOUS), "H5Pset_layout")
        try H5Error.check(H5Pset_alloc_time(properties.id, H5D_ALLOC_TIME_EARLY), "H5Pset_alloc_time")
        try H5Error.check(H5Pset_fill_time(properties.id, H5D_FILL_TIME_NEVER), "H5Pset_fill_time")
        try H5Error.check(H5Pset_obj_track_times(properties.id, false), "H5Pset_obj_track_times")
        return properties
    }

    private func type(_ type: ElementType) throws(H5Error) -> H5Handle {
        let base = switch type {
        case .float32: slm_h5_float32()
        case .float64: slm_h5_float64()
        case .int64: slm_h5_int64()
        case .uint8: slm_h5_uint8()
        case .text: slm_h5_c_string()
        }
        let copy = try H5Handle(H5Tcopy(base), "H5Tcopy")
        if case .text = type {
            try H5Error.check(H5Tset_size(copy.id, type.size), "H5Tset_size")
            try H5Error.check(H5Tset_strpad(copy.id, H5T_STR_NULLPAD), "H5Tset_strpad")     // a NUL does not end the string
            try H5Error.check(H5Tset_cset(copy.id, H5T_CSET_UTF8), "H5Tset_cset")
        }
        return copy
    }
}
