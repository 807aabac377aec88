//go:build !nogui

package main

import (
	"context"
	"io"
	"os"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/app"

	"altnet/engine/control"
	"altnet/engine/publisher"
	"altnet/ui"
)

// hasWindow says whether this build has the window.
const hasWindow = true

// appID names the program to Fyne and the desktop.
const appID = "org.altnet.AltNet"

// runWindow shows the window until it is closed. The node, the tray and the
// watched folders are the agent's.
func runWindow(ctx context.Context, o *options, folders []string, term *terminal) error {
	_, profile, err := o.folders()
	if err != nil {
		return err
	}
	log, err := o.logger(term.err)
	if err != nil {
		return err
	}
	var pipe io.Reader
	if os.Getenv(pipeVariable) != "" {
		pipe = term.in
	}
	door, err := openWindowDoor(ctx, profile, pipe, absolute(folders), log)
	if door == nil {
		return err
	}
	defer door.close()
	keys, err := publisher.Open(profile)
	if err != nil {
		return err
	}
	client := control.NewClient(o.dialer())
	defer client.Close()
	if dir, err := os.UserCacheDir(); err == nil {
		os.MkdirAll(dir, 0o700) // Fyne makes its folder there, and no other
	}
	app.SetMetadata(fyne.AppMetadata{ID: appID, Name: "AltNet", Version: version, Migrations: map[string]bool{"fyneDo": true}})
	fyneApp := app.NewWithID(appID)
	person := &session{terminal: term, opts: o, control: client}
	window, err := ui.New(ui.Config{App: fyneApp, Control: client, Profile: keys, Desktop: newDesktop(profile, person, log), Version: version,
		Service: o.usesService, Log: log})
	if err != nil {
		return err
	}
	window.Start()
	if len(folders) > 0 {
		window.Publish(absolute(folders))
	}
	quit := func() { fyne.Do(fyneApp.Quit) }
	defer context.AfterFunc(ctx, quit)()
	go door.serve(ctx, window, quit) // ends with the process
	fyneApp.Run()
	return window.Close()
}
