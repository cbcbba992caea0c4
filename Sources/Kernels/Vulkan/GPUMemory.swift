internal import CVulkan

/// The types of memory of a device that slm uses.
struct GPUMemoryTypes {
    /// The device's own memory, which the CPU can access; nil if it cannot.
    private(set) var device: UInt32?
    /// Memory of the CPU that the device can read and write.
    private(set) var host: UInt32?
    /// The size of the device's own memory.
    private(set) var bytes = 0
    /// Whether the CPU reads the device's memory through its cache, as where both share one memory.
    private(set) var deviceIsCached = false

    init(of device: VulkanPhysicalDevice, _ library: VulkanLibrary) {
        var memory = VkPhysicalDeviceMemoryProperties()
        library.call.GetPhysicalDeviceMemoryProperties(device.handle.pointer, &memory)
        let shared = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT.rawValue | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT.rawValue
        let cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT.rawValue, own = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT.rawValue
        let types = withUnsafeBytes(of: memory.memoryTypes) { bytes in
            Array(bytes.bindMemory(to: VkMemoryType.self).prefix(Int(memory.memoryTypeCount)))
        }
        let heaps = withUnsafeBytes(of: memory.memoryHeaps) { bytes in
            Array(bytes.bindMemory(to: VkMemoryHeap.self).prefix(Int(memory.memoryHeapCount)))
        }
        func find(_ flags: UInt32, without excluded: UInt32 = 0) -> UInt32? {
            types.indices.filter { types[$0].propertyFlags & flags == flags && types[$0].propertyFlags & excluded == 0 }
                .max { heaps[Int(types[$0].heapIndex)].size < heaps[Int(types[$1].heapIndex)].size }.map { UInt32($0) }
        }
        self.device = find(shared | own | cached) ?? find(shared | own)
        host = find(shared | cached, without: own) ?? find(shared | cached) ?? find(shared)
        // Without resizable BAR, the CPU sees a window of 256 MB only.
        let whole = types.filter { $0.propertyFlags & own != 0 }.map { heaps[Int($0.heapIndex)].size }.max() ?? 0
        if let type = self.device, heaps[Int(types[Int(type)].heapIndex)].size < whole / 2 { self.device = nil }
        if let type = self.device {
            bytes = Int(clamping: heaps[Int(types[Int(type)].heapIndex)].size)
            deviceIsCached = types[Int(type)].propertyFlags & cached != 0
        }
    }
}

/// Memory that both the device and the CPU access, in blocks that are never returned before the end.
final class GPUMemory: ArenaMemory {
    private struct Block {
        let start: Int, count: Int
        let pointer: UnsafeMutableRawPointer
        let address: UInt64
        let buffer: VkBuffer
        let memory: VkDeviceMemory
    }

    let isContiguous = false
    let reserved: Int
    /// Whether the CPU reads it slowly.
    let isUncached: Bool
    private let context: GPUContext
    private let type: UInt32
    private let blockBytes: Int
    private var blocks: [Block] = []

    init(_ context: GPUContext, type: UInt32, reserved: Int, blockBytes: Int, isUncached: Bool) {
        self.context = context
        self.type = type
        self.reserved = reserved
        self.blockBytes = blockBytes
        self.isUncached = isUncached
    }

    deinit {
        for block in blocks {
            context.call.DestroyBuffer(context.device, block.buffer, nil)
            context.call.FreeMemory(context.device, block.memory, nil)
        }
    }

    /// A new block, whose range never touches that of the last one: free ranges of different blocks must not be merged.
    func grow(atLeast count: Int, from capacity: Int) -> Range<Int>? {
        let size = max(count, blockBytes)
        guard capacity + size <= reserved || count < size && capacity + count <= reserved else { return nil }
        let bytes = capacity + size <= reserved ? size : count, start = capacity + Arena.alignment
        guard let block = makeBlock(start: start, bytes) ?? makeBlock(start: start, count) else { return nil }
        blocks.append(block)
        return start..<start + block.count
    }

    func location(of start: Int) -> ArenaLocation {
        // Blocks are few, and in the order of their ranges.
        guard let block = blocks.last(where: { $0.start <= start }) else { fatalError("no block of memory at \(start)") }
        let offset = start - block.start
        return ArenaLocation(pointer: block.pointer + offset, address: block.address + UInt64(offset))
    }

    private func makeBlock(start: Int, _ bytes: Int) -> Block? {
        let call = context.call, device = context.device
        var information = VkBufferCreateInfo()
        information.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO
        information.size = UInt64(bytes)
        information.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT.rawValue | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT.rawValue
        var buffer: VkBuffer?
        guard call.CreateBuffer(device, &information, nil, &buffer) == VK_SUCCESS, let buffer else { return nil }
        var requirements = VkMemoryRequirements()
        call.GetBufferMemoryRequirements(device, buffer, &requirements)
        var flags = VkMemoryAllocateFlagsInfo()
        flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO
        flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT.rawValue
        var memory: VkDeviceMemory?
        let result = withUnsafePointer(to: flags) { flags in
            var allocation = VkMemoryAllocateInfo()
            allocation.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO
            allocation.pNext = UnsafeRawPointer(flags)
            allocation.allocationSize = requirements.size
            allocation.memoryTypeIndex = type
            return call.AllocateMemory(device, &allocation, nil, &memory)
        }
        var pointer: UnsafeMutableRawPointer?
        guard result == VK_SUCCESS, let memory else {
            call.DestroyBuffer(device, buffer, nil)
            return nil
        }
        var query = VkBufferDeviceAddressInfo()
        query.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO
        query.buffer = buffer
        guard call.BindBufferMemory(device, buffer, memory, 0) == VK_SUCCESS,
              call.MapMemory(device, memory, 0, vulkan_whole_size, 0, &pointer) == VK_SUCCESS, let pointer else {
            call.DestroyBuffer(device, buffer, nil)
            call.FreeMemory(device, memory, nil)
            return nil
        }
        return Block(
            start: start, count: bytes, pointer: pointer, address: call.GetBufferDeviceAddress(device, &query), buffer: buffer,
            memory: memory)
    }
}
