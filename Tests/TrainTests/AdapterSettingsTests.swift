import Autograd
import Checkpoint
import Testing
import Train

/// The settings of an adapter, of which its checkpoint stores what follows from them.
@Suite struct AdapterSettingsTests {
    @Test func `the stored alpha of a rank-stabilized adapter is √rank times the option`() {
        func settings(_ isRankStabilized: Bool) -> AdapterSettings {
            let shape = LoRAConfiguration(rank: 9, alpha: 15, targets: ["qkv", "up"])
            return AdapterSettings(of: LoRAAdapter(shape, baseDigest: "", basePath: ""), isRankStabilized: isRankStabilized)
        }
        func text(_ name: String, _ settings: AdapterSettings) -> String? {
            AdapterSettings.settings.first { $0.name == name }?.text(in: settings)
        }
        #expect(settings(false).scaledAlpha == 15 && text("lora-alpha", settings(false)) == "15.0")
        #expect(settings(true).scaledAlpha == 15 && text("lora-alpha", settings(true)) == "5.0")
        #expect(text("rslora", settings(true)) == "on" && text("rslora", settings(false)) == "off" && text("lora", settings(true)) == "9")
        #expect(text("lora-targets", settings(true)) == "qkv,up" && text("lora-init", settings(true)) == "plain")
        // Without an option it is the rank.
        var new = AdapterSettings()
        #expect(new.scaledAlpha == nil)
        new.rank = 9
        for setting in AdapterSettings.settings where setting.name == "rslora" { setting.set(&new, 1) }
        #expect(new.scaledAlpha == 27)
    }
}
