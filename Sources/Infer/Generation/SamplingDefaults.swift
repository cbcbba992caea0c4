/// The sampling settings of a request that does not give its own.
package struct SamplingDefaults: Sendable, Equatable {
    package let temperature: Double
    package let topK: Int
    package let topP: Double

    /// For small models, whose unlikely tokens are mostly nonsense.
    package static let smallModels = SamplingDefaults(temperature: 0.8, topK: 50, topP: 0.95)
    /// For other servers: changes nothing, since they have their own defaults.
    package static let remoteModels = SamplingDefaults(temperature: 1, topK: 0, topP: 1)
}
