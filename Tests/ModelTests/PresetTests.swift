import Autograd
import Model
import TestSupport
import Testing

@Suite struct PresetTests {
    /// The numbers of parameters that the published models have.
    @Test(arguments: [
        ("gpt2", 124_439_808), ("smollm2-135m", 134_515_008), ("gemma-3-270m", 268_098_176), ("qwen2.5-0.5b", 494_032_768),
        ("llama-3.2-1b", 1_235_814_400),
    ])
    func `presets have as many parameters as the models`(name: String, count: Int) throws {
        let configuration = try #require(GPTConfiguration.presets.first { $0.name == name }).configuration
        let list = ParameterList(of: configuration)
        #expect(list.parameters.reduce(0) { $0 + $1.shape.count } == count)
        #expect(configuration.parameterCount == count)
    }
}
