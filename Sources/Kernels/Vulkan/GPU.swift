internal import CVulkan
import Synchronization

/// Runs shaders on a device, in the order in which they are recorded, while the CPU records the next ones.
///
/// Only one processor may use it. Buffers know which submission used them last; the CPU waits for it before it accesses their memory. So an
/// operation that has no shader is computed by the CPU's kernels, on the same memory.
package final class GPU {
    package let device: GPUDevice
    let context: GPUContext
    /// The memory of tensors, and a small one for numbers that the CPU reads or writes often.
    let memory, hostMemory: GPUMemory
    private let pipelines: ShaderPipelines
    private let recorder: GPURecorder
    /// Dispatches so far.
    package private(set) var dispatches = 0

    package init(_ device: GPUDevice) throws(GPUError) {
        self.device = device
        context = try GPUContext(device)
        let types = GPUMemoryTypes(of: device.device, device.library)
        guard let own = types.device, let host = types.host else { throw .noSharedMemory(device: device.name) }
        // Software drivers compute in the CPU's memory, which other programs need, too.
        let usable = device.kind == .software ? types.bytes / 2 : types.bytes / 10 * 9
        let blockBytes = device.kind == .software ? 64 << 20 : min(256 << 20, device.device.maxAllocation)
        memory = GPUMemory(context, type: own, reserved: usable, blockBytes: blockBytes, isUncached: !types.deviceIsCached)
        hostMemory = GPUMemory(context, type: host, reserved: 4 << 30, blockBytes: 16 << 20, isUncached: false)
        pipelines = try ShaderPipelines(context)
        recorder = try GPURecorder(context)
    }

    deinit { _ = context.call.DeviceWaitIdle(context.device) }

    /// Waits until all work is done.
    package func finish() { recorder.wait(for: recorder.current) }

    /// Waits until a submission is done. Any thread may call it.
    func wait(for submission: UInt64) { recorder.wait(for: submission) }

    func isDone(_ submission: UInt64) -> Bool { recorder.isDone(submission) }

    /// The submission that the next shader belongs to.
    var currentSubmission: UInt64 { recorder.current }

    /// Records a shader.
    ///
    /// - Parameters:
    ///   - buffers: In the shader's order; nil for one that is missing.
    ///   - written: Which of them it writes.
    ///   - groups: The number of workgroups.
    ///   - rows: The number of workgroups along the second axis, for shaders that use both axes; nil for those that count workgroups.
    /// - Returns: false if a buffer is not in the memory of this device, so that the CPU has to compute.
    func run(
        _ shader: Shader, _ buffers: [Buffer?], writing written: Set<Int>, _ integers: [Int] = [], _ numbers: [Float] = [], groups: Int,
        rows: Int? = nil
    ) -> Bool {
        if groups == 0 || rows == 0 { return true }
        guard buffers.allSatisfy({ $0?.isOn(self) ?? true }) else { return false }
        // Shaders count elements with 32 bits.
        require(buffers.allSatisfy { ($0?.count ?? 0) <= Int(Int32.max) }, "\(shader.name): more than 2³¹ elements in one buffer")
        require(
            buffers.count <= 9 && integers.count <= (rows == nil ? 7 : 8) && numbers.count <= 4,
            "\(shader.name): \(buffers.count) buffers, \(integers.count) integers and \(numbers.count) numbers")
        // The layout of Arguments in common.glsl: nine addresses, eight integers, a bit for each buffer in bf16, four numbers.
        var words = [UInt32](repeating: 0, count: Shader.argumentBytes / 4)
        for (i, buffer) in buffers.enumerated() {
            guard let buffer else { continue }
            let address = buffer.deviceAddress
            words[2 * i] = UInt32(truncatingIfNeeded: address)
            words[2 * i + 1] = UInt32(truncatingIfNeeded: address >> 32)
            if buffer.type == .bfloat16 { words[26] |= 1 << UInt32(i) }
        }
        for (i, integer) in integers.enumerated() { words[18 + i] = UInt32(truncatingIfNeeded: integer) }
        for (i, number) in numbers.enumerated() { words[27 + i] = number.bitPattern }
        let limit = device.device.maxGroups
        var x = groups, y = rows ?? 1
        if rows == nil {
            words[25] = UInt32(groups)
            if groups > limit {
                y = (groups + limit - 1) / limit
                x = limit
            }
        }
        require(x <= limit && y <= limit, "\(shader.name): \(x)·\(y) workgroups on a device with at most \(limit)")
        let submission = recorder.record(pipelines[shader], pipelines.layout, words, UInt32(x), UInt32(y))
        for (i, buffer) in buffers.enumerated() { buffer?.wasUsed(by: submission, writing: written.contains(i)) }
        dispatches += 1
        return true
    }

    /// Records a shader with an invocation for each element.
    func runElementwise(
        _ shader: Shader, _ buffers: [Buffer?], writing written: Set<Int>, count: Int, _ integers: [Int] = [], _ numbers: [Float] = []
    ) -> Bool {
        run(shader, buffers, writing: written, [count] + integers, numbers, groups: (count + 255) / 256)
    }

    /// Records a shader that computes eight elements at a time where all buffers allow it. Its constant 0 says whether it does.
    func runInEights(
        _ name: String, _ buffers: [Buffer], writing written: Set<Int>, count: Int, _ integers: [Int], _ numbers: [Float] = []
    ) -> Bool {
        guard buffers.allSatisfy({ $0.isOn(self) }) else { return false }
        let areEights = count % 8 == 0 && buffers.allSatisfy { $0.deviceAddress % 16 == 0 }, items = areEights ? count / 8 : count
        return run(
            Shader(name, areEights ? 1 : 0), buffers, writing: written, [count] + integers, numbers, groups: (items + 255) / 256)
    }
}

/// Command buffers, submitted in order; a timeline semaphore counts those that are done.
///
/// `@unchecked Sendable`: recording is done by the one thread that uses the processor; `lock` protects what `wait` shares with it.
private final class GPURecorder: @unchecked Sendable {
    /// Dispatches of a submission: few enough that the device starts early, and enough that a submission costs little beside its work.
    private static let dispatchesPerSubmission = 64

    private let context: GPUContext
    private let pool: VkCommandPool
    private let semaphore: VkSemaphore
    /// Used in turn.
    private let commands: [VkCommandBuffer]
    private let lock = Mutex(())
    private let done = Atomic<UInt64>(0)
    private let recording = Atomic<UInt64>(1)
    private var recorded = 0

    /// The number of the submission that is being recorded; from 1 on.
    var current: UInt64 { recording.load(ordering: .acquiring) }

    init(_ context: GPUContext) throws(GPUError) {
        self.context = context
        let call = context.call
        var poolInformation = VkCommandPoolCreateInfo()
        poolInformation.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO
        poolInformation.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT.rawValue
        poolInformation.queueFamilyIndex = context.queueFamily
        var pool: VkCommandPool?
        let made = call.CreateCommandPool(context.device, &poolInformation, nil, &pool)
        guard made == VK_SUCCESS, let pool else { throw .failed("vkCreateCommandPool", code: made.rawValue) }
        self.pool = pool
        var allocation = VkCommandBufferAllocateInfo()
        allocation.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO
        allocation.commandPool = pool
        allocation.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY
        allocation.commandBufferCount = 16
        var buffers = [VkCommandBuffer?](repeating: nil, count: 16)
        let allocated = call.AllocateCommandBuffers(context.device, &allocation, &buffers)
        guard allocated == VK_SUCCESS else { throw .failed("vkAllocateCommandBuffers", code: allocated.rawValue) }
        commands = buffers.compactMap { $0 }
        var type = VkSemaphoreTypeCreateInfo()
        type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO
        type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE
        var semaphore: VkSemaphore?
        let result = withUnsafePointer(to: type) { type in
            var information = VkSemaphoreCreateInfo()
            information.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO
            information.pNext = UnsafeRawPointer(type)
            return call.CreateSemaphore(context.device, &information, nil, &semaphore)
        }
        guard result == VK_SUCCESS, let semaphore else { throw .failed("vkCreateSemaphore", code: result.rawValue) }
        self.semaphore = semaphore
    }

    deinit {
        _ = context.call.DeviceWaitIdle(context.device)
        context.call.DestroySemaphore(context.device, semaphore, nil)
        context.call.DestroyCommandPool(context.device, pool, nil)
    }

    func isDone(_ submission: UInt64) -> Bool {
        done.load(ordering: .acquiring) >= submission
    }

    /// Adds a dispatch, which begins when those before it have ended. Returns its submission.
    func record(_ pipeline: VkPipeline, _ layout: VkPipelineLayout, _ arguments: [UInt32], _ x: UInt32, _ y: UInt32) -> UInt64 {
        lock.withLock { _ in
            let submission = current, command = commands[Int(submission % UInt64(commands.count))], call = context.call
            if recorded == 0 {
                if submission > UInt64(commands.count) { waitUnlocked(for: submission - UInt64(commands.count)) }
                var begin = VkCommandBufferBeginInfo()
                begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO
                begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT.rawValue
                check(call.BeginCommandBuffer(command, &begin), "vkBeginCommandBuffer")
            }
            var barrier = VkMemoryBarrier()
            barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER
            barrier.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT.rawValue
            barrier.dstAccessMask = VK_ACCESS_SHADER_READ_BIT.rawValue | VK_ACCESS_SHADER_WRITE_BIT.rawValue
            let compute = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT.rawValue
            call.CmdPipelineBarrier(command, compute, compute, 0, 1, &barrier, 0, nil, 0, nil)
            call.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline)
            arguments.withUnsafeBytes {
                call.CmdPushConstants(
                    command, layout, VK_SHADER_STAGE_COMPUTE_BIT.rawValue, 0, UInt32($0.count), $0.baseAddress)
            }
            call.CmdDispatch(command, x, y, 1)
            recorded += 1
            if recorded == Self.dispatchesPerSubmission { submit() }
            return submission
        }
    }

    /// Waits until a submission is done, after submitting it if it is being recorded.
    func wait(for submission: UInt64) {
        if done.load(ordering: .acquiring) >= submission { return }
        lock.withLock { _ in
            if submission >= current {
                if recorded == 0 { return waitUnlocked(for: current - 1) }
                submit()
            }
            waitUnlocked(for: min(submission, current - 1))
        }
    }

    private func submit() {
        let call = context.call, submission = current
        let command = commands[Int(submission % UInt64(commands.count))]
        var barrier = VkMemoryBarrier()
        barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER
        barrier.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT.rawValue
        barrier.dstAccessMask = VK_ACCESS_HOST_READ_BIT.rawValue | VK_ACCESS_HOST_WRITE_BIT.rawValue
        call.CmdPipelineBarrier(
            command, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT.rawValue, VK_PIPELINE_STAGE_HOST_BIT.rawValue, 0, 1, &barrier, 0, nil, 0, nil)
        check(call.EndCommandBuffer(command), "vkEndCommandBuffer")
        var value = submission
        var handle: VkCommandBuffer? = command
        var signaled: VkSemaphore? = semaphore
        let result = withUnsafePointer(to: &value) { value in
            var timeline = VkTimelineSemaphoreSubmitInfo()
            timeline.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO
            timeline.signalSemaphoreValueCount = 1
            timeline.pSignalSemaphoreValues = value
            return withUnsafePointer(to: timeline) { timeline in
                withUnsafePointer(to: &handle) { handle in
                    withUnsafePointer(to: &signaled) { signaled in
                        var information = VkSubmitInfo()
                        information.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
                        information.pNext = UnsafeRawPointer(timeline)
                        information.commandBufferCount = 1
                        information.pCommandBuffers = handle
                        information.signalSemaphoreCount = 1
                        information.pSignalSemaphores = signaled
                        return call.QueueSubmit(context.queue, 1, &information, nil)
                    }
                }
            }
        }
        check(result, "vkQueueSubmit")
        recorded = 0
        recording.store(submission + 1, ordering: .releasing)
    }

    private func waitUnlocked(for submission: UInt64) {
        if submission == 0 || done.load(ordering: .acquiring) >= submission { return }
        var value = submission
        var waited: VkSemaphore? = semaphore
        let result = withUnsafePointer(to: &value) { value in
            withUnsafePointer(to: &waited) { waited in
                var information = VkSemaphoreWaitInfo()
                information.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO
                information.semaphoreCount = 1
                information.pSemaphores = waited
                information.pValues = value
                return context.call.WaitSemaphores(context.device, &information, .max)
            }
        }
        check(result, "vkWaitSemaphores")
        if done.load(ordering: .acquiring) < submission { done.store(submission, ordering: .releasing) }
    }
}
