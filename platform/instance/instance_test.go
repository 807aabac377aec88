package instance

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

func TestOneAndItsRequests(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "agent")
	if err := Send(t.Context(), dir, Request{Do: "show"}, nil); !errors.Is(err, ErrNobody) {
		t.Fatalf("nobody there: %v", err)
	}
	got := make(chan Request, 1)
	one, err := Claim(dir, func(_ context.Context, r Request, report func(Reply)) error {
		got <- r
		report(Reply{Now: 1, Total: 2})
		if r.Do == "fail" {
			return &RequestError{Code: "full", Text: "no room"}
		}
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	if second, err := Claim(dir, nil, nil); !errors.Is(err, ErrRunning) {
		t.Fatalf("a second: %v, %v", second, err)
	}
	var progress []Reply
	ask := Request{Do: "show", Args: []string{"/tmp/with space"}, Env: map[string]string{"DISPLAY": ":9"}}
	if err := Send(t.Context(), dir, ask, func(r Reply) { progress = append(progress, r) }); err != nil {
		t.Fatal(err)
	}
	if r := <-got; r.Do != "show" || r.Args[0] != "/tmp/with space" || r.Env["DISPLAY"] != ":9" {
		t.Errorf("it was asked %+v", r)
	}
	if len(progress) != 1 || progress[0].Total != 2 {
		t.Errorf("progress %+v", progress)
	}
	err = Send(t.Context(), dir, Request{Do: "fail"}, nil)
	if e, ok := errors.AsType[*RequestError](err); !ok || e.Code != "full" || e.Text != "no room" {
		t.Errorf("its error: %v", err)
	}
}

func TestAnswers(t *testing.T) {
	dir := t.TempDir()
	if Answers(t.Context(), dir) {
		t.Error("nobody answers")
	}
	one, err := Claim(dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !Answers(t.Context(), dir) {
		t.Error("the one does not answer")
	}
	one.Close()
	if Answers(t.Context(), dir) {
		t.Error("it answers after its end")
	}
}

func TestTheClaimPassesOn(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		one, err := Claim(dir, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		one.Close()
		one.Close()
	}
	if err := Send(t.Context(), dir, Request{}, nil); !errors.Is(err, ErrNobody) {
		t.Errorf("after the end: %v", err)
	}
}

func TestRequestsEndWithTheirAsker(t *testing.T) {
	dir := t.TempDir()
	begun, ended := make(chan struct{}), make(chan struct{})
	one, err := Claim(dir, func(ctx context.Context, _ Request, _ func(Reply)) error {
		close(begun)
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan error)
	go func() { asked <- Send(ctx, dir, Request{Do: "move"}, nil) }()
	<-begun
	cancel()
	if err := <-asked; !errors.Is(err, context.Canceled) {
		t.Errorf("the asker: %v", err)
	}
	<-ended
}
