import Checkpoint
import Files
import Glibc
import JSON
import Secrets
import Serve
import Store
import TestSupport
import Testing

/// A server with chats to train on. Its training program does what the name of a run says.
final class TrainingArea {
    static let key = ["X-Admin-Key": "the owner's key"]
    let server: TestServer
    let folder = TemporaryFolder()
    let connection: RawHTTPConnection

    init(
        chats: Int = 30, estimate: String = #""memory_bytes":1000"#, clock: ManualClock = ManualClock(), database: String? = nil,
        signingKey: SigningKey? = nil
    ) throws {
        let base = folder("base.h5")
        try SampleCheckpoint().checkpoint.write(to: base)
        let program = folder.write("""
            #!/bin/sh
            case "$*" in *--estimate*)
                echo "$*" >> \(folder("estimates"))
                while [ -e \(folder("hold")) ]; do sleep 0.05; done
                echo '{"event":"estimate","parameters":1000,"total_bytes":1000000000,"disk_bytes":5000,"seconds":7.5,\(estimate)}'
                exit;;
            esac
            all=$*
            while [ $# -gt 0 ]; do
                case $1 in --out) out=$2;; --name) name=$2;; --resume) out=${2%/*}; name=${2##*/}; resumed=1;; esac
                shift
            done
            run=$out/$name
            log() { echo "$1" >> $run/log.jsonl; }
            case $name in quiet*) ;; *) echo "slm: starting $name";; esac
            echo "$all" > $run/arguments
            echo "$all" >> $run/starts
            log '{"event":"started","step":0,"data":{"train_tokens":90,"val_tokens":10},"plan":{"steps":9}}'
            log '{"event":"step","step":1,"loss":2.5,"gradient_norm":1,"lr":0.1,"tokens":10,"seconds":1}'
            log '{"event":"evaluated","step":2,"val_loss":1.5,"train_loss":1.4,"best":1,"tokens":20,"seconds":2}'
            cp \(base) $run/best.h5
            case $name in
            failing*) echo "slm: the data of $name is bad"; exit 1;;
            quiet-exit) exit 3;;
            quiet-end) exit 0;;
            quiet-diverged) log '{"event":"diverged","step":2}'; exit 1;;
            killed) kill -9 $$;;
            lost) rm $run/best.h5;;
            damaged) echo damage > $run/best.h5;;
            useless)
                log '{"event":"evaluated","step":0,"val_loss":1.2,"best":1,"tokens":0,"seconds":0}'
                log '{"event":"evaluated","step":3,"val_loss":2.2,"best":0,"tokens":30,"seconds":3}';;
            slow|deaf)
                case $name in slow) trap 'echo >> $run/interrupts' INT;; deaf) trap '' INT;; esac
                : > $run/waits
                step=3 rest='"loss":2,"gradient_norm":1,"lr":1,"tokens":9'
                while [ ! -e $run/end ]; do
                    log "{\\"event\\":\\"step\\",\\"step\\":$step,$rest,\\"seconds\\":$step}"
                    step=$((step + 1))
                    sleep 0.05
                done
                if [ -e $run/interrupts ]; then log '{"event":"stopped","step":2}'; exit; fi;;
            waiting*) [ -z "$resumed" ] && trap 'log "{\\"event\\":\\"stopped\\",\\"step\\":2}"; exit 0' INT &&
                : > $run/waits && while :; do sleep 0.02; done;;
            esac
            log '{"event":"finished","step":9}'
            """, to: "program")
        chmod(program, 0o755)
        let directory = folder("training")
        server = try TestServer(
            clock: clock, database: database, signingKey: signingKey, store: .with { $0.showsTrainingNotice = true }
        ) { settings in
            settings.adminKey = "the owner's key"
            settings.trainingDirectory = directory
            settings.trainingProgram = program
            settings.checkpoint = { base }
        }
        connection = try server.connect()
        if chats > 0 { try addChats(chats) }
    }

    func addChats(_ count: Int) throws {
        let ada = try server.store.user(named: "ada")?.id ?? server.store.addUser("ada", passwordHash: "!").id
        let generation = Generation(model: "tiny", promptTokens: 1, answerTokens: 1, seconds: 1, reason: "stop")
        for _ in 0..<count {
            let number = Int.random(in: 0...1_000_000_000)
            let id = try server.store.createConversation("chat", for: ada).id
            try server.store.append(NewMessage(.user, "What is the color of thing \(number)?"), to: id, of: ada)
            let answer = NewMessage(.assistant, "The thing \(number) is \(["red", "blue"][number % 2]).")
            try server.store.append(answer, to: id, of: ada, generation: generation)
        }
        var review = Store.Review()
        review.state = .included
        try server.store.review(.filter(TrainingFilter()), review, by: AdminRequest(actor: "test", address: ""))
    }

    func ask(_ method: String, _ path: String, _ body: String? = nil) throws -> RawHTTPConnection.Answer {
        let headers = body == nil ? Self.key : Self.key.merging(["Content-Type": "application/json"]) { $1 }
        return try #require(connection.ask(method, "/api/training/" + path, headers, body: body))
    }

    /// Waits until the program of a run that waits handles SIGINT: before, the signal would end it without a checkpoint.
    func waitUntilItWaits(_ name: String) {
        let end = ContinuousClock.now + .seconds(300)
        while !Folder.contains("waits", in: folder("training/runs/\(name)")) {
            guard ContinuousClock.now < end else {
                Issue.record("the program of \(name) has not started")
                return
            }
            usleep(10_000)
        }
    }

    func add(_ body: String) throws -> JSONElement {
        let answer = try ask("POST", "runs", body)
        #expect(answer.status == 201, "\(answer.text)")
        return try answer.json()
    }

    /// Changes the schedule without its route.
    func setSchedule(_ changes: String) throws {
        try server.store.database.write("UPDATE training_schedule SET \(changes)")
    }

    /// Waits until the schedule has added a run, another one than `last`.
    func scheduledRun(after last: String? = nil) throws -> String {
        let end = ContinuousClock.now + .seconds(300)
        while ContinuousClock.now < end {
            if let found = try ask("GET", "schedule").json()["last_run"]?.string, found != last { return found }
            usleep(20_000)
        }
        Issue.record("the schedule has added no run")
        return ""
    }

    /// Waits until the server has looked at a run that goes on, twice: what it does about the run is done.
    func waitForLooks(at id: String) throws {
        func step() throws -> Int { try ask("GET", "runs/\(id)").json()["step"]?.integer ?? 0 }
        for _ in 0..<2 {
            let before = try step()
            try eventually { try step() > before }
        }
    }

    /// The lines of a file of a run.
    func lines(_ name: String, of run: String) throws -> [String] {
        try String(decoding: InputFile.contents(of: folder("training/runs/\(run)/\(name)")), as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }

    /// Waits for a state of a run, up to five minutes: other tests run at the same time.
    func wait(for state: String, of id: String) throws -> JSONElement {
        let end = ContinuousClock.now + .seconds(300)
        while true {
            let run = try ask("GET", "runs/\(id)").json()
            if run["state"]?.string == state { return run }
            guard ContinuousClock.now < end else {
                Issue.record("expected \(state), found \(String(decoding: run.json, as: UTF8.self))")
                return run
            }
            usleep(10_000)
        }
    }
}
