import Autograd
package import Tokenize

extension ModelRunner {
    /// The text that follows a prompt, sampled and stopped as in a ``GenerationState``: at most so many tokens, within the context.
    ///
    /// A prompt that leaves no space for so many tokens loses its beginning.
    package func text(
        after prompt: [TokenID], _ config: GenerationConfig, _ vocabulary: Vocabulary, _ rules: StopRules, most: Int
    ) -> String {
        let cache = makeKVCache(), prompt = Array(prompt.suffix(max(1, context - most)))
        var sampler = Sampler(config, vocabulary: vocabulary.count, banned: rules.banned, prompt: prompt)
        var streamer = TextStreamer(vocabulary, rules)
        var next = prompt, position = 0, count = 0, text = ""
        while count < most, position + next.count <= context, !streamer.isFinished {
            var logits = logits(for: [Segment(cache, from: position, ids: next)]).floats
            position += next.count
            var span = logits.mutableSpan
            guard let choice = sampler.sample(&span) else { break }
            text += streamer.add(choice)?.text ?? ""
            next = [choice.id]
            count += 1
        }
        return text + (streamer.finish()?.text ?? "")
    }
}
