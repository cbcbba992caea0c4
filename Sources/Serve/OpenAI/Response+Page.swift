import HTTPServer
import JSON

extension Response {
    /// A page of a list in OpenAI's form, in the order and after the element that the request asks for.
    ///
    /// - Parameter elements: The newest first.
    static func page<Element>(
        of elements: [Element], _ request: Request, limit: Int, id: (Element) -> String, _ write: (Element, inout JSONWriter) -> Void
    ) throws(APIError) -> Response {
        var rest = try request.choice("order", default: ListOrder.desc) == .desc ? elements[...] : elements.reversed()[...]
        if let after = request.query("after") {
            guard let index = rest.firstIndex(where: { id($0) == after }) else {
                throw .invalid("after", "expected the id of an element of the list.")
            }
            rest = rest[(index + 1)...]
        }
        let page = rest.prefix(limit)
        return .json { list in
            list["object"] = "list"
            list.objects("data", page) { write($0, &$1) }
            list["first_id"] = page.first.map(id)
            list["last_id"] = page.last.map(id)
            list["has_more"] = rest.count > page.count
        }
    }
}
