package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// sbom writes which modules are in the programs, as SPDX 2.3, from what Go wrote into them.
func (r *release) sbom(binaries map[platform][]byte) error {
	modules := map[string]string{} // versions by path
	for _, p := range platforms {
		if binaries[p] == nil {
			continue
		}
		info, err := buildinfo.Read(bytes.NewReader(binaries[p]))
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		for _, m := range info.Deps {
			modules[m.Path] = m.Version
		}
		modules["std"] = info.GoVersion
	}
	type object map[string]any
	pkg := func(id, name, version, license, locator string) object {
		return object{
			"SPDXID": id, "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION",
			"filesAnalyzed": false, "licenseConcluded": license, "licenseDeclared": license,
			"copyrightText": "NOASSERTION",
			"externalRefs": []object{{
				"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": locator,
			}},
		}
	}
	const self = "SPDXRef-latchkey"
	packages := []object{pkg(self, "latchkey", r.version, "Apache-2.0",
		"pkg:golang/github.com/latchkeyhq/latchkey@v"+r.version)}
	relations := []object{{
		"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": self,
	}}
	for i, path := range slices.Sorted(maps.Keys(modules)) {
		id := fmt.Sprintf("SPDXRef-module-%d", i)
		packages = append(packages, pkg(id, path, modules[path], "NOASSERTION",
			"pkg:golang/"+path+"@"+strings.TrimPrefix(modules[path], "go")))
		relations = append(relations, object{
			"spdxElementId": self, "relationshipType": "DEPENDS_ON", "relatedSpdxElement": id,
		})
	}
	text, err := json.MarshalIndent(object{
		"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
		"name":              "latchkey-" + r.version,
		"documentNamespace": fmt.Sprintf("%s/releases/%s/%s", homepage, r.version, r.commit),
		"creationInfo": object{
			"created": r.date.Format(time.RFC3339), "creators": []string{"Organization: Latchkey"},
		},
		"packages": packages, "relationships": relations,
	}, "", " ")
	if err != nil {
		return err
	}
	return r.write(fmt.Sprintf("latchkey_%s_sbom.spdx.json", r.version), append(text, '\n'))
}

// formula writes a Homebrew formula, unless an archive that it needs wasn't built.
func (r *release) formula(binaries map[platform][]byte) error {
	var b strings.Builder
	fmt.Fprintf(&b, "class Latchkey < Formula\n  desc %q\n  homepage %q\n  version %q\n"+
		"  license \"Apache-2.0\"\n\n", summary, homepage, r.version)
	for _, system := range []platform{{"darwin", "macos"}, {"linux", "linux"}} {
		fmt.Fprintf(&b, "  on_%s do\n", system.arch)
		for _, arch := range []platform{{"arm", "arm64"}, {"intel", "amd64"}} {
			p := platform{system.os, arch.arch}
			if binaries[p] == nil {
				return nil
			}
			name := fmt.Sprintf("latchkey_%s_%s_%s.tar.gz", r.version, p.os, p.arch)
			sum, err := r.sum(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "    on_%s do\n      url \"%s/releases/download/v%s/%s\"\n      sha256 \"%s\"\n"+
				"    end\n", arch.os, homepage, r.version, name, sum)
		}
		b.WriteString("  end\n\n")
	}
	b.WriteString(`  def install
    bin.install "latchkey"
    man1.install "latchkey.1"
    bash_completion.install "completions/latchkey.bash" => "latchkey"
    zsh_completion.install "completions/_latchkey"
    fish_completion.install "completions/latchkey.fish"
  end

  service do
    run [opt_bin/"latchkey", "serve", "--data", var/"latchkey"]
    keep_alive true
    error_log_path var/"log/latchkey.log"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/latchkey version")
  end
end
`)
	return r.write("latchkey.rb", []byte(b.String()))
}
