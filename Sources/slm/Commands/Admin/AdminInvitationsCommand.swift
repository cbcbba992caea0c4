import AdminAPI
import Dashboard
import JSON

struct AdminInvitationsOptions: AdminOptions {
    var connection = AdminConnection()
    var deleted: String?
    var json = false
}

extension Command {
    static var adminInvitations: Command {
        Command(
            "admin invitations",
            "List the invitations that have not expired, or delete one.",
            AdminInvitationsOptions(),
            [
                OptionGroup("Main options", [
                    .option("delete", \.deleted, value: "ID", "Delete this invitation; a user who registered with it stays."),
                    .json(\.json),
                ]),
                AdminInvitationsOptions.connectionOptions,
            ],
            examples: ["slm admin invitations"]
        ) { options in
            let client = try options.client()
            if let id = options.deleted {
                _ = try client.perform(.deleteInvitation(id: id))
                return printLine(AdminAction.deleteInvitation(id: id).done)
            }
            guard case .invitations(let all) = try client.answer(to: .invitations) else { return }
            if options.json { return printLine(json(all)) }
            let now = millisecondsNow()
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

    private static func json(_ all: [InvitationRecord]) -> String {
        var writer = JSONWriter(.pretty)
        writer.object { document in
            document.key("invitations")
            document.array { list in
                for invitation in all {
                    list.object { object in
                        object["id"] = invitation.id
                        object["email"] = invitation.email
                        object["created_at"] = invitation.created?.iso8601
                        object["expires_at"] = invitation.expires?.iso8601
                        object["used_at"] = invitation.used?.iso8601
                        object["username"] = invitation.username
                    }
                }
            }
        }
        return writer.text
    }
}
