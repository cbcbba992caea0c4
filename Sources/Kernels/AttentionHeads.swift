/// How attention divides a row of queries, keys and values, [H·D | K·D | K·D], into heads, and which positions a query attends to.
///
///     let heads = AttentionHeads(14, keys: 2, width: 64)       // Qwen2.5-0.5B: seven query heads share a head of keys and values
package struct AttentionHeads: Sendable, Hashable {
    /// Heads of queries, H.
    package let queries: Int
    /// Heads of keys, and of values, K. If there are fewer than H, each is shared by H/K neighboring query heads (grouped-query
    /// attention, Ainslie et al. 2023).
    package let keys: Int
    /// Channels of a head, D.
    package let width: Int
    /// The factor of the scores.
    package let scale: Float
    /// The limit of the scores, which soft-capping keeps them within: cap·tanh(score/cap), as in Gemma 2. nil: none.
    package let scoreCap: Float?
    /// The number of positions that a query attends to, its own included (sliding window attention); nil: all up to its own.
    package let window: Int?

    /// - Parameter scale: By default 1/√D.
    package init(_ queries: Int, keys: Int? = nil, width: Int, scale: Float? = nil, scoreCap: Float? = nil, window: Int? = nil) {
        let keys = keys ?? queries
        require(
            queries > 0 && keys > 0 && queries % keys == 0 && width > 0 && (window ?? 1) > 0 && (scale ?? 1) > 0 && (scoreCap ?? 1) > 0,
            "attention: \(queries) query heads and \(keys) key heads of \(width) channels, window \(window ?? 0), scale \(scale ?? 1), "
                + "cap \(scoreCap ?? 0)"
        )
        self.queries = queries
        self.keys = keys
        self.width = width
        self.scale = scale ?? 1 / Float(width).squareRoot()
        self.scoreCap = scoreCap
        self.window = window
    }

    /// Channels of a row of queries, keys and values.
    package var rowWidth: Int { (queries + 2 * keys) * width }
    /// Channels of a row of queries, and of attention's result.
    package var queryWidth: Int { queries * width }
    /// Channels of a row of keys, and of values.
    package var keyWidth: Int { keys * width }
    /// Query heads that share a head of keys and values.
    package var group: Int { queries / keys }
    /// Heads that have positions and QK-norm: those of queries and keys.
    package var positioned: Int { queries + keys }
}
