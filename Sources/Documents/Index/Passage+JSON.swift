package import JSON

extension Passage {
    /// Writes the members of an object.
    package func write(to object: inout JSONWriter) {
        if let documents { object["documents"] = documents }
        if let origin {
            object["library_id"] = origin.library
            object["file_id"] = origin.file
        }
        object["file"] = file
        object["title"] = title
        object["heading"] = heading
        if let page { object["page"] = page }
        object["line"] = line
        object["position"] = position
        object["tokens"] = tokens
        if score != 0 { object["score"] = score.rounded(toPlaces: 4) }
        object["text"] = text
    }
}
