extension JSONWriter {
    /// Writes a parsed value again: the members of objects in their order, without white space.
    package mutating func element(_ element: JSONElement) {
        if let members = element.members {
            object { object in
                for (key, value) in members {
                    object.element(key.string ?? "", value)
                }
            }
        } else if let elements = element.elements {
            array { array in for value in elements { array.element(value) } }
        } else if let text = element.string {
            string(text)
        } else if let boolean = element.boolean {
            self.boolean(boolean)
        } else if let integer = element.integer {
            self.integer(integer)
        } else if let unsigned = element.unsigned {
            self.integer(unsigned)
        } else if let number = element.number {
            self.number(number)
        } else {
            null()
        }
    }

    /// Writes a parsed value as a member of an object; null for nil.
    package mutating func element(_ key: String, _ element: JSONElement?) {
        self.key(key)
        if let element { self.element(element) } else { null() }
    }
}

extension JSONElement {
    /// The value as JSON on one line.
    package var json: [UInt8] {
        var writer = JSONWriter()
        writer.element(self)
        return writer.bytes
    }
}
