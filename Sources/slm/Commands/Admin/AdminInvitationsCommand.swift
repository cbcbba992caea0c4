import AdminAPI
import Dashboard
import Files
import JSON

extension Command {
    static var adminInvitations: Command {
        ofServer(
            "admin invitations",
            "List the invitations that have not expired, or delete one.",
            [
                .option("delete", \.deleted, value: "ID", "Delete this invitation; a user who registered with it stays."),
                .json(\.json),
            ],
            examples: ["slm admin invitations"]
        ) { options in
            let client = try options.client()
            if let id = options.deleted {
                _ = try client.perform(.deleteInvitation(id: id))
                return printLine(AdminAction.deleteInvitation(id: id).done)
            }
            guard case .invitations(let all) = try client.answer(to: .invitations) else { return }
            if options.json { return printLine(try json(all)) }
            let now = UTCTime.millisecondsNow
            var table = TextTable(["ID", "FOR", "#CREATED", "EXPIRES", "USED BY"])
            for invitation in all {
                table.add([
                    invitation.id, invitation.email ?? "-", invitation.created?.ago(at: now) ?? "-", invitation.expires?.dateAndTime ?? "-",
                    invitation.username ?? (invitation.used == nil ? "-" : "a deleted user"),
                ])
            }
            AdminListing().printPage(table, shown: all.count, of: all.count, "invitations")
        }
    }

    private static func json(_ all: [InvitationRecord]) throws -> String {
        return try JSONWriter.text(.pretty) { document throws(JSONError) in try document.list("invitations", all.map(\.json)) }
    }
}
