#!/usr/bin/python3
"""A window of another program, from which folders are dragged: dragsource.py FOLDER..."""
import pathlib
import sys

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, Gtk


def main(folders):
    uris = [pathlib.Path(folder).resolve().as_uri() for folder in folders]
    window = Gtk.Window(title="Folders of another program", default_width=180, default_height=90)
    handle = Gtk.EventBox()
    handle.add(Gtk.Label(label="\n".join(pathlib.Path(folder).name for folder in folders)))
    handle.drag_source_set(Gdk.ModifierType.BUTTON1_MASK, [], Gdk.DragAction.COPY)
    handle.drag_source_add_uri_targets()
    handle.connect("drag-data-get", lambda _w, _c, data, _i, _t: data.set_uris(uris))
    handle.connect("drag-end", lambda *_: print("dropped", flush=True))
    window.add(handle)
    window.connect("destroy", Gtk.main_quit)
    window.move(0, 0)
    window.show_all()
    print("ready", flush=True)
    Gtk.main()


main(sys.argv[1:])
