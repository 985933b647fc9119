package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Program is the `strongroom` program, on a deployment in a folder of its own.
type Program struct {
	path, folder, data, device string
	receipts                   []Receipt
	lost                       []Receipt // Of what happened after the backup that was restored.
}

// reply is what this program wants to know of an answer.
type reply struct {
	RootKey string   `json:"root_key"`
	Receipt *Receipt `json:"receipt"`
}

// run starts it once and keeps the receipt.
func (p *Program) run(input string, arguments ...string) (reply, error) {
	command := exec.Command(p.path, append([]string{"--as", "operator:olga", "-o", "json"}, arguments...)...)
	command.Env = append(os.Environ(), "STRONGROOM_DATA="+p.data)
	command.Stdin = strings.NewReader(input)
	var said strings.Builder
	command.Stderr = &said
	output, err := command.Output()
	if err != nil {
		return reply{}, fmt.Errorf("strongroom %s: %w\n%s", strings.Join(arguments, " "), err, said.String())
	}
	var answer reply
	if len(output) > 0 {
		if err := json.Unmarshal(output, &answer); err != nil {
			return reply{}, fmt.Errorf("strongroom %s: %w", strings.Join(arguments, " "), err)
		}
	}
	if answer.Receipt != nil {
		p.receipts = append(p.receipts, *answer.Receipt)
	}
	return answer, nil
}

// file is one of the deployment's folder.
func (p *Program) file(name string) string { return filepath.Join(p.folder, name) }

// onSoftwareDevice makes a deployment that needs nothing but a file.
func onSoftwareDevice(path, folder string) (*Program, error) {
	passphrase := filepath.Join(folder, "passphrase")
	if err := os.WriteFile(passphrase, []byte("correct horse battery staple"), 0o600); err != nil {
		return nil, err
	}
	device := fmt.Sprintf("software:%s?passphrase-source=file:%s", filepath.Join(folder, "device.key"), passphrase)
	return &Program{path: path, folder: folder, data: filepath.Join(folder, "data"), device: device}, nil
}

// onSoftHSM makes one whose root key and audit key are in a token.
func onSoftHSM(path, folder, module string) (*Program, error) {
	tokens, conf, pin := filepath.Join(folder, "tokens"), filepath.Join(folder, "softhsm2.conf"), filepath.Join(folder, "pin")
	if err := os.Mkdir(tokens, 0o700); err != nil {
		return nil, err
	}
	for file, content := range map[string]string{
		conf: "directories.tokendir = " + tokens + "\nobjectstore.backend = file\n",
		pin:  "user-1234",
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	// For this process and whatever it starts: one deployment on SoftHSM is all we make.
	if err := os.Setenv("SOFTHSM2_CONF", conf); err != nil {
		return nil, err
	}
	token := exec.Command("softhsm2-util", "--init-token", "--free", "--label", "gopher", "--so-pin", "so-12345", "--pin", "user-1234")
	if output, err := token.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("softhsm2-util: %w\n%s", err, output)
	}
	device := fmt.Sprintf("pkcs11:token=gopher?module-path=%s&pin-source=file:%s", module, pin)
	return &Program{path: path, folder: folder, data: filepath.Join(folder, "data"), device: device}, nil
}

// live gives the deployment a history: tenants, secrets, refusals, many lines in one commit, a restore from backup.
func (p *Program) live() (rootKey string, err error) {
	made, err := p.run("", "init", "--no-recovery", "--origin", "example.com/keys", "--device", p.device)
	if err != nil {
		return "", err
	}
	var many strings.Builder
	for i := 0; i < 70; i++ {
		fmt.Fprintf(&many, "KEY_%d=value %d\n", i, i)
	}
	if err := os.WriteFile(p.file("many.env"), []byte(many.String()), 0o600); err != nil {
		return "", err
	}
	acme := []string{"--tenant", "acme", "secret"}
	for _, step := range []struct {
		input     string
		arguments []string
	}{
		{"", []string{"tenant", "create", "acme"}},
		{"", []string{"tenant", "create", "beta"}},
		{"hunter2", append(acme, "put", "prod/db/password")},
		{"", append(acme, "import", "--prefix", "prod/api", p.file("many.env"))},
	} {
		if _, err := p.run(step.input, step.arguments...); err != nil {
			return "", err
		}
	}
	kept := len(p.receipts)
	if _, err := p.run("", "backup", "create", p.file("backup")); err != nil {
		return "", err
	}
	p.receipts, p.lost = p.receipts[:kept:kept], p.receipts[kept:]
	p.data = p.file("restored")
	restore := []string{"backup", "restore", p.file("backup"), "--reason", "a disk is gone", "--device", p.device}
	if _, err := p.run("", restore...); err != nil {
		return "", err
	}
	if _, err := p.run("hunter3", append(acme, "put", "prod/db/password")...); err != nil {
		return "", err
	}
	return made.RootKey, nil
}

// export has the program write a bundle, and takes it apart into records.
func (p *Program) export(name string, which ...string) ([]string, error) {
	if _, err := p.run("", append([]string{"audit", "export", p.file(name)}, which...)...); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(p.file(name))
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), nil
}
