import Autograd
import Kernels
import Tokenize

/// The requests for embeddings of an engine. They take turns: each step processes texts of one of them, in one batch.
///
///     let segments = queue.schedule(most: 512, &slots)
///     queue.add(runner.hiddenStates(for: segments), &slots)
///
/// At most one text of a request is incomplete after a step, so a request keeps at most one slot, as a generation does. Within a step it
/// uses more slots if they are free. The embedding of a text does not depend, bit for bit, on the other texts or on how it is divided into
/// steps.
struct EmbeddingQueue {
    private final class Request {
        let job: LocalBackend.EmbeddingJob
        /// The embeddings of the texts that are complete.
        var embeddings: [[Float]] = []
        /// The slot of the next text, if a part of it was processed.
        var slot: Int?
        /// The sum of the hidden states of this part.   [C]
        var sum: [Float] = []

        init(_ job: LocalBackend.EmbeddingJob) { self.job = job }
    }

    /// The tokens of a text that the current step processes.
    private struct Part {
        let ids: [TokenID]
        let positions: Range<Int>
        let slot: Int
    }

    private var requests: [Request] = []
    private var parts: [Part] = []
    /// The most texts of one step. The other slots keep the caches of the conversations that were used last.
    private let mostTexts: Int
    private let queueStatus: LocalBackend.RequestQueueStatus

    init(slots: Int, _ queueStatus: LocalBackend.RequestQueueStatus) {
        mostTexts = max(1, slots / 2)
        self.queueStatus = queueStatus
    }

    /// Whether there is nothing to do.
    var isPaused: Bool { requests.allSatisfy(\.job.control.isPaused) }

    mutating func add(_ job: LocalBackend.EmbeddingJob) {
        requests.append(Request(job))
        queueStatus.update { $0.running += 1 }
    }

    mutating func removeCanceledAndPaused(_ slots: inout SlotPool) {
        for request in requests where request.job.control.isCancelled || request.job.control.isPaused {
            // A text that is incomplete begins anew when its request continues.
            if let slot = request.slot { slots.discard(slot) }
            request.slot = nil
            request.sum = []
        }
        for request in requests where request.job.control.isCancelled { end(request, .canceled) }
        requests.removeAll(where: \.job.control.isCancelled)
    }

    mutating func cancelAll() {
        for request in requests { end(request, .canceled) }
        requests = []
    }

    /// Chooses the texts of the next step: those of the request whose turn it is, as far as there are free slots.
    ///
    /// - Parameter most: The most tokens.
    mutating func schedule(most: Int, _ slots: inout SlotPool) -> [ModelRunner.Segment] {
        guard let turn = requests.firstIndex(where: { !$0.job.control.isPaused }) else { return [] }
        let request = requests.remove(at: turn)
        requests.append(request)
        var left = most
        parts = []
        for ids in request.job.texts.dropFirst(request.embeddings.count) where left > 0 && parts.count < mostTexts {
            let kept = parts.isEmpty ? request.slot : nil
            // Keys and values of an earlier text would not give its hidden states.
            let slot = kept ?? slots.acquire(for: ids, of: "", adapter: request.job.adapter, sharing: 0, upTo: 0, positions: ids.count)
            guard let slot else { break }
            let start = slots[slot].ids.count
            let part = Part(ids: ids, positions: start..<min(ids.count, start + left), slot: slot)
            left -= part.positions.count
            parts.append(part)
        }
        return parts.map { part in
            let slot = slots[part.slot]
            return ModelRunner.Segment(
                slot.cache, from: part.positions.lowerBound, ids: Array(part.ids[part.positions]), logits: .all,
                adapter: request.job.adapter)
        }
    }

    /// Adds the hidden states of the tokens that were scheduled, and delivers a request that is complete.   [N, C]
    mutating func add(_ states: Tensor, _ slots: inout SlotPool) {
        guard let request = requests.last else { return }
        let C = states.shape[-1]
        require(states.shape[0] == parts.reduce(0) { $0 + $1.positions.count }, "\(states.shape[0]) hidden states of other parts")
        var row = 0
        for part in parts {
            let rows = row..<row + part.positions.count
            row = rows.upperBound
            if request.sum.isEmpty { request.sum = [Float](repeating: 0, count: C) }
            states.elements[rows.lowerBound * C..<rows.upperBound * C].read { states in
                for start in stride(from: 0, to: states.count, by: C) { for c in 0..<C { request.sum[c] += states[start + c] } }
            }
            guard part.positions.upperBound == part.ids.count else {
                slots.append(part.ids[part.positions], to: part.slot)
                request.slot = part.slot
                continue
            }
            slots.discard(part.slot)
            request.slot = nil
            let count = Float(part.ids.count)
            request.embeddings.append(request.sum.map { $0 / count }.normalized)
            request.sum = []
        }
        parts = []
        if request.embeddings.count < request.job.texts.count { return }
        requests.removeLast()
        let isFinite = request.embeddings.allSatisfy { $0.allSatisfy(\.isFinite) }
        end(request, isFinite ? .stop : .error(.invalidLogits))
    }

    private func end(_ request: Request, _ reason: FinishReason) {
        queueStatus.update { $0.running -= 1 }
        queueStatus.leave()
        request.job.deliver(EmbeddingResult(reason == .stop ? request.embeddings : [], reason))
    }
}

extension [TokenID] {
    /// Checks that a model can embed the tokens.
    ///
    /// - Parameters:
    ///   - index: The text's place in its request.
    ///   - size: The size of the model's vocabulary.
    func checkEmbeddable(at index: Int, vocabulary size: Int, context: Int) throws(GenerationError) {
        if isEmpty { throw .emptyPrompt }
        if let unknown = first(where: { !(0..<size).contains(Int($0)) }) {
            throw .field("texts", value: "token \(unknown)", expected: "token ids from 0 to \(size - 1)")
        }
        if count > context { throw .textTooLong(index: index, tokens: count, context: context) }
    }
}
