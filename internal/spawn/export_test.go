package spawn

// Unable tells whether processes are started as ever, since the system has nothing else.
func (s *Starter) Unable() bool { return s.unable.Load() }
