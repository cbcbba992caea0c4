internal import CShaders
internal import CVulkan
import Glibc

/// A shader, which is a file of `Shaders/glsl`, with the values of its specialization constants.
struct Shader: Hashable {
    let name: String
    let constants: [UInt32]

    init(_ name: String, _ constants: Int...) {
        self.name = name
        self.constants = constants.map { UInt32($0) }
    }

    /// The layout of arguments: the same for all shaders.
    static let argumentBytes = 124
}

/// The pipelines of a device, each made when its shader is first used.
final class ShaderPipelines {
    let layout: VkPipelineLayout
    private let context: GPUContext
    private var pipelines: [Shader: VkPipeline] = [:]

    init(_ context: GPUContext) throws(GPUError) {
        self.context = context
        var made: VkPipelineLayout?
        let range = VkPushConstantRange(
            stageFlags: VK_SHADER_STAGE_COMPUTE_BIT.rawValue, offset: 0, size: UInt32(Shader.argumentBytes))
        let result = withUnsafePointer(to: range) { range in
            var information = VkPipelineLayoutCreateInfo()
            information.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO
            information.pushConstantRangeCount = 1
            information.pPushConstantRanges = range
            return context.call.CreatePipelineLayout(context.device, &information, nil, &made)
        }
        guard result == VK_SUCCESS, let made else { throw .failed("vkCreatePipelineLayout", code: result.rawValue) }
        layout = made
    }

    deinit {
        for pipeline in pipelines.values { context.call.DestroyPipeline(context.device, pipeline, nil) }
        context.call.DestroyPipelineLayout(context.device, layout, nil)
    }

    subscript(shader: Shader) -> VkPipeline {
        if let pipeline = pipelines[shader] { return pipeline }
        let pipeline = make(shader)
        pipelines[shader] = pipeline
        return pipeline
    }

    private func make(_ shader: Shader) -> VkPipeline {
        let call = context.call, device = context.device
        var bytes = 0
        guard let code = slm_shader(shader.name, &bytes) else { fatalError("there is no shader '\(shader.name)'") }
        var information = VkShaderModuleCreateInfo()
        information.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO
        information.codeSize = bytes
        information.pCode = code
        var module: VkShaderModule?
        check(call.CreateShaderModule(device, &information, nil, &module), "vkCreateShaderModule for \(shader.name)")
        defer { call.DestroyShaderModule(device, module, nil) }
        let entries = shader.constants.indices.map {
            VkSpecializationMapEntry(constantID: UInt32($0), offset: UInt32(4 * $0), size: 4)
        }
        var pipeline: VkPipeline?
        let result = entries.withUnsafeBufferPointer { entries in
            shader.constants.withUnsafeBytes { constants in
                let specialization = VkSpecializationInfo(
                    mapEntryCount: UInt32(entries.count), pMapEntries: entries.baseAddress, dataSize: constants.count,
                    pData: constants.baseAddress)
                return withUnsafePointer(to: specialization) { specialization in
                    "main".withCString { main in
                        var pipelineInformation = VkComputePipelineCreateInfo()
                        pipelineInformation.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO
                        pipelineInformation.layout = layout
                        pipelineInformation.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO
                        pipelineInformation.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT
                        pipelineInformation.stage.module = module
                        pipelineInformation.stage.pName = main
                        pipelineInformation.stage.pSpecializationInfo = specialization
                        return call.CreateComputePipelines(device, nil, 1, &pipelineInformation, nil, &pipeline)
                    }
                }
            }
        }
        check(result, "vkCreateComputePipelines for \(shader.name)")
        guard let pipeline else { fatalError("vkCreateComputePipelines gave no pipeline for \(shader.name)") }
        return pipeline
    }
}

/// Ends the program if a function failed: a device that fails while it computes has lost what it had in its memory.
func check(_ result: VkResult, _ function: @autoclosure () -> String) {
    if result == VK_SUCCESS { return }
    let what = result == VK_ERROR_DEVICE_LOST ? "the GPU was lost in \(function())" : "\(function()) failed"
    let message = "slm: \(what) (Vulkan's error \(result.rawValue)). Go on from the last checkpoint, if need be on the CPU.\n"
    message.withCString { _ = write(STDERR_FILENO, $0, strlen($0)) }
    // Without waiting for the device at exit.
    _exit(1)
}
