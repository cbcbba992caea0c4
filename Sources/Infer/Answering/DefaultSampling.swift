/// How an answer is drawn as far as nobody says.
package struct DefaultSampling: Sendable, Equatable {
    package let temperature: Double, topK: Int, topP: Double

    /// Suits small models, whose unlikely tokens are absurd ones.
    package static let ofSmallModels = DefaultSampling(temperature: 0.8, topK: 50, topP: 0.95)
    /// Changes nothing: another program has its own ways.
    package static let theirOwn = DefaultSampling(temperature: 1, topK: 0, topP: 1)
}
