package ui

// publish offers folders for publishing.
func (a *App) publish(folders []string) {}
