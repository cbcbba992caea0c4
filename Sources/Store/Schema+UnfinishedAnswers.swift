extension Migration {
    /// Version 7: the text so far of answers that are being generated, in case the server is killed. They are no messages yet, because
    /// the text of a message never changes.
    @Sendable static func unfinishedAnswers(_ d: Dialect) -> [String] {
        let binary = d.binaryText
        return ["""
         CREATE TABLE unfinished_answers (
             id \(binary) PRIMARY KEY NOT NULL, conversation_id \(binary) NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
             content TEXT NOT NULL, model TEXT NOT NULL, answer_tokens \(d.integer) NOT NULL, seconds \(d.real) NOT NULL,
             saved_at \(d.integer) NOT NULL
         ) \(d.tableOptions)
         """,
         "CREATE INDEX unfinished_answers_of_conversations ON unfinished_answers (conversation_id)"]
    }
}
