import AdminAPI
import Dashboard
import Glibc
import Terminal
import Threads

extension Command {
    /// The dashboard. The commands without a screen are in files of their own.
    static var admin: Command {
        Command(
            "admin",
            "Watch and administer a chat server in the terminal.",
            AdminOptions(),
            [
                AdminOptions.connectionOptions,
                OptionGroup("Screen", [
                    .option("interval", \.interval, "Refresh every DURATION."),
                    .option("no-mouse", \.noMouse, "Leave the mouse to the terminal, for marking text."),
                ]),
            ],
            examples: ["SLM_ADMIN_KEY=… slm admin", "slm admin --url https://chat.example.org --key-file admin.key"]
        ) { options in
            let environment = SLM.environmentVariables()
            let style = ANSIStyle(for: 1, environment)
            let milliseconds = max(500, Int(options.interval.inSeconds * 1_000))
            try Dashboard(
                try options.client(environment), refreshInterval: milliseconds, usesColor: style.isEnabled, usesMouse: !options.noMouse
            ).run()
            // Requests may be in progress on other threads, which use objects that exit handlers would destroy.
            fflush(nil)
            _exit(0)
        }
    }
}
