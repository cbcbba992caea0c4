extension Vocabulary {
    /// The token that begins a text, by its common names.
    package var beginOfTextToken: TokenID? {
        firstSpecialTokenID(of: ["<|begin_of_text|>", "<s>", "<bos>", "<|startoftext|>", "<｜begin▁of▁sentence｜>"])
    }

    /// The token that ends a text or conversation, by its common names.
    package var endOfTextToken: TokenID? {
        firstSpecialTokenID(of: ["<|eos|>", "<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<｜end▁of▁sentence｜>"])
    }

    /// The tokens that end a text or a turn, by their common names. A model's files may name others. Some vocabularies have the end of a
    /// turn among the added tokens that are not special.
    package var endTokens: [TokenID] {
        let names: Set = [
            "<|eos|>", "<|endoftext|>", "</s>", "<|end_of_text|>", "<|im_end|>", "<eos>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>",
            "<turn|>", "<|end|>", "<|end_of_turn|>", "<｜end▁of▁sentence｜>",
        ]
        return (specialTokens + addedTokens).filter { names.contains($0.text) }.map(\.id)
    }

    /// The token that ends a turn of a chat, by its common names.
    package var endOfTurnToken: TokenID? { firstSpecialTokenID(of: ["<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<turn|>"]) }

    package var paddingToken: TokenID? { firstSpecialTokenID(of: ["<|pad|>", "<pad>", "<|finetune_right_pad_id|>", "<|padding|>"]) }

    private func firstSpecialTokenID(of texts: [String]) -> TokenID? { texts.lazy.compactMap { specialTokenID($0) }.first }
}
