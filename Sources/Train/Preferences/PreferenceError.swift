/// Why a model cannot be trained on preferences.
package enum PreferenceError: Error, Equatable {
    /// DPO needs pairs, and a line has one answer.
    case ratingForDPO(path: String, line: Int)
    /// KTO needs good answers and bad ones.
    case oneSided(paths: [String], isGood: Bool)
    /// All answers are longer than the context.
    case allTooLong(paths: [String], count: Int, context: Int)
    /// The log-probabilities of the reference model do not belong to the run.
    case damagedReference(path: String, reason: String)
}

extension PreferenceError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .ratingForDPO(let path, let line):
            "\(path):\(line): expected a pair (\"chosen\" and \"rejected\"), found one answer with a \"label\". DPO compares two answers: "
                + "train on good and bad answers with --preferences kto."
        case .oneSided(let paths, let isGood):
            "\(paths.joined(separator: ", ")): expected good answers and bad ones, found only \(isGood ? "good" : "bad") ones. "
                + (isGood ? "Train on them without --preferences." : "Add answers with \"label\": true.")
        case .allTooLong(let paths, let count, let context):
            "\(paths.joined(separator: ", ")): expected answers that fit into \(context) tokens with a part of their prompt, found none "
                + "among \(count). Use a longer --context."
        case .damagedReference(let path, let reason):
            "\(path): expected the reference model's log-probabilities of this run's answers, found \(reason). "
                + "Restore the file to resume, or start another run."
        }
    }
}
