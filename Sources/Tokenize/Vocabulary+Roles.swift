extension Vocabulary {
    /// The token that begins a text, by its common names.
    package var beginOfTextToken: TokenID? {
        firstSpecialTokenID(of: ["<|begin_of_text|>", "<s>", "<bos>", "<|startoftext|>", "<｜begin▁of▁sentence｜>"])
    }

    /// The token that ends a text or conversation, by its common names.
    package var endOfTextToken: TokenID? {
        firstSpecialTokenID(of: ["<|eos|>", "<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<｜end▁of▁sentence｜>"])
    }

    /// The token that ends a turn of a chat, by its common names.
    package var endOfTurnToken: TokenID? { firstSpecialTokenID(of: ["<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<turn|>"]) }

    package var paddingToken: TokenID? { firstSpecialTokenID(of: ["<|pad|>", "<pad>", "<|finetune_right_pad_id|>", "<|padding|>"]) }

    private func firstSpecialTokenID(of texts: [String]) -> TokenID? { texts.lazy.compactMap { specialTokenID($0) }.first }
}
