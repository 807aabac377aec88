; The set-up program for Windows. packaging/dist gives VERSION, WORK (where the
; programs are), OUT, DESKTOP where the window could be built, and SIGN, which
; signs the program it is given, where there is a certificate.
;
; /S installs silently; /SERVICE=1 installs the service too, /AUTOSTART=0 leaves
; the start at login out. The uninstaller takes everything back but the keys of
; users, which it names.
Unicode true
Target amd64-unicode
!include MUI2.nsh
!include FileFunc.nsh
!include LogicLib.nsh
!include x64.nsh

Name "AltNet"
OutFile "${OUT}"
InstallDir "$PROGRAMFILES64\AltNet"
InstallDirRegKey HKLM "Software\AltNet" "Folder"
RequestExecutionLevel admin
SetCompressor /SOLID lzma
ManifestDPIAware true
BrandingText "AltNet ${VERSION}"
; The uninstaller is written when AltNet is installed: what signs it has to be
; asked now.
!ifdef SIGN
!uninstfinalize '${SIGN} "%1"' = 0
!endif
!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\AltNet"

!define MUI_ICON "${WORK}/icons/altnet.ico"
!define MUI_UNICON "${WORK}/icons/altnet.ico"
!insertmacro MUI_PAGE_WELCOME
!insertmacro MUI_PAGE_LICENSE "LICENSE"
!insertmacro MUI_PAGE_COMPONENTS
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!ifdef DESKTOP
; Explorer starts it, so that it does not run as administrator.
!define MUI_FINISHPAGE_RUN "$WINDIR\explorer.exe"
!define MUI_FINISHPAGE_RUN_PARAMETERS '$\"$INSTDIR\altnet-desktop.exe$\"'
!define MUI_FINISHPAGE_RUN_TEXT "$(OpenNow)"
!endif
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_UNPAGE_FINISH
!insertmacro MUI_LANGUAGE "English"
!insertmacro MUI_LANGUAGE "German"

LangString OpenNow ${LANG_ENGLISH} "Open AltNet"
LangString OpenNow ${LANG_GERMAN} "AltNet öffnen"
LangString SectionProgram ${LANG_ENGLISH} "AltNet"
LangString SectionProgram ${LANG_GERMAN} "AltNet"
LangString SectionService ${LANG_ENGLISH} "Service for all users of this computer"
LangString SectionService ${LANG_GERMAN} "Dienst für alle Benutzer dieses Rechners"
LangString SectionLogin ${LANG_ENGLISH} "Start at login"
LangString SectionLogin ${LANG_GERMAN} "Beim Anmelden starten"
LangString DescProgram ${LANG_ENGLISH} "The program, its command line and the start menu entry."
LangString DescProgram ${LANG_GERMAN} "Das Programm, seine Kommandozeile und der Eintrag im Startmenü."
LangString DescService ${LANG_ENGLISH} "AltNet runs from the start of the computer, for everybody. Without it, it runs while you are logged in and needs no rights."
LangString DescService ${LANG_GERMAN} "AltNet läuft ab dem Start des Rechners, für alle. Sonst läuft es, solange Sie angemeldet sind, und braucht keine Rechte."
LangString DescLogin ${LANG_ENGLISH} "AltNet's icon appears when you log in."
LangString DescLogin ${LANG_GERMAN} "Das Symbol von AltNet erscheint beim Anmelden."
LangString KeysStay ${LANG_ENGLISH} "The keys of sites stay, for nobody could bring them back. Delete them only when you have a backup:"
LangString KeysStay ${LANG_GERMAN} "Die Schlüssel der Seiten bleiben, denn niemand könnte sie wiederherstellen. Löschen Sie sie nur, wenn Sie eine Sicherung haben:"
LangString OldWindows ${LANG_ENGLISH} "AltNet needs 64-bit Windows 10 or later."
LangString OldWindows ${LANG_GERMAN} "AltNet braucht Windows 10 mit 64 Bit oder neuer."

Section "$(SectionProgram)" Program
  SectionIn RO
  SetOutPath "$INSTDIR"
  SetShellVarContext all
  Call StopEverything
  File "${WORK}/altnet.exe"
  File "${WORK}/icons/altnet.ico"
  File "LICENSE"
  File "${WORK}/LIBRARIES.txt"
  File "README.md"
!ifdef DESKTOP
  File "${WORK}/altnet-desktop.exe"
  CreateShortcut "$SMPROGRAMS\AltNet.lnk" "$INSTDIR\altnet-desktop.exe" "" "$INSTDIR\altnet.ico"
  WriteRegStr HKLM "Software\Classes\Directory\shell\AltNet" "" "AltNet"
  WriteRegStr HKLM "Software\Classes\Directory\shell\AltNet" "Icon" "$INSTDIR\altnet.ico"
  WriteRegStr HKLM "Software\Classes\Directory\shell\AltNet\command" "" '"$INSTDIR\altnet-desktop.exe" "%1"'
!endif
  WriteRegStr HKLM "Software\AltNet" "Folder" "$INSTDIR"
  WriteRegStr HKLM "Software\Microsoft\Windows\CurrentVersion\App Paths\altnet.exe" "" "$INSTDIR\altnet.exe"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  WriteRegStr HKLM "${UNINSTALL}" "DisplayName" "AltNet"
  WriteRegStr HKLM "${UNINSTALL}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKLM "${UNINSTALL}" "DisplayIcon" "$INSTDIR\altnet.ico"
  WriteRegStr HKLM "${UNINSTALL}" "Publisher" "The AltNet authors"
  WriteRegStr HKLM "${UNINSTALL}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKLM "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKLM "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKLM "${UNINSTALL}" "NoModify" 1
  WriteRegDWORD HKLM "${UNINSTALL}" "NoRepair" 1
  ${GetSize} "$INSTDIR" "/S=0K" $0 $1 $2
  WriteRegDWORD HKLM "${UNINSTALL}" "EstimatedSize" $0
  ; Peers reach a node that listens; without the rule Windows asks the first
  ; time, and never on behalf of a service.
  nsExec::Exec 'netsh advfirewall firewall delete rule name="AltNet"'
  nsExec::Exec 'netsh advfirewall firewall add rule name="AltNet" dir=in action=allow program="$INSTDIR\altnet.exe" protocol=tcp'
!ifdef DESKTOP
  nsExec::Exec 'netsh advfirewall firewall add rule name="AltNet" dir=in action=allow program="$INSTDIR\altnet-desktop.exe" protocol=tcp'
!endif
SectionEnd

!ifdef DESKTOP
Section "$(SectionLogin)" Login
  ; Of the person who installs; others choose in their own settings.
  SetShellVarContext current
  WriteRegStr HKCU "Software\Microsoft\Windows\CurrentVersion\Run" "AltNet" '"$INSTDIR\altnet-desktop.exe" agent'
SectionEnd
!endif

Section /o "$(SectionService)" Service
  nsExec::ExecToLog '"$INSTDIR\altnet.exe" service install'
  Pop $0
  ${If} $0 != 0
    DetailPrint "altnet service install: $0"
    SetErrors
  ${EndIf}
SectionEnd

!insertmacro MUI_FUNCTION_DESCRIPTION_BEGIN
  !insertmacro MUI_DESCRIPTION_TEXT ${Program} $(DescProgram)
!ifdef DESKTOP
  !insertmacro MUI_DESCRIPTION_TEXT ${Login} $(DescLogin)
!endif
  !insertmacro MUI_DESCRIPTION_TEXT ${Service} $(DescService)
!insertmacro MUI_FUNCTION_DESCRIPTION_END

Function .onInit
  ${IfNot} ${RunningX64}
    MessageBox MB_OK|MB_ICONSTOP "$(OldWindows)" /SD IDOK
    Abort
  ${EndIf}
  SetRegView 64
  ${GetParameters} $0
  ${GetOptions} $0 "/SERVICE=" $1
  ${If} $1 == 1
    SectionSetFlags ${Service} ${SF_SELECTED}
  ${EndIf}
!ifdef DESKTOP
  ${GetOptions} $0 "/AUTOSTART=" $1
  ${If} $1 == 0
  ${AndIf} $1 != ""
    SectionSetFlags ${Login} 0
  ${EndIf}
!endif
  ; An upgrade keeps the service when there is one.
  ReadRegStr $1 HKLM "SYSTEM\CurrentControlSet\Services\altnet" "ImagePath"
  ${If} $1 != ""
    SectionSetFlags ${Service} ${SF_SELECTED}
  ${EndIf}
FunctionEnd

; A program that runs cannot be replaced.
Function StopEverything
  ${If} ${FileExists} "$INSTDIR\altnet.exe"
    nsExec::Exec /TIMEOUT=15000 '"$INSTDIR\altnet.exe" quit'
    nsExec::Exec /TIMEOUT=60000 '"$INSTDIR\altnet.exe" service stop'
  ${EndIf}
FunctionEnd

Function un.onInit
  SetRegView 64
FunctionEnd

Section "Uninstall"
  ; First what needs the program: browsers, trust stores, resolver, service.
  nsExec::Exec /TIMEOUT=15000 '"$INSTDIR\altnet.exe" quit'
  nsExec::Exec /TIMEOUT=120000 '"$INSTDIR\altnet.exe" undo -yes'
  nsExec::Exec /TIMEOUT=120000 '"$INSTDIR\altnet.exe" service purge'
  nsExec::Exec 'netsh advfirewall firewall delete rule name="AltNet"'
  ReadEnvStr $0 PROGRAMDATA
  ${If} $0 != ""
    RMDir /r "$0\AltNet" ; what a service left that was half removed
  ${EndIf}

  SetShellVarContext all
  Delete "$SMPROGRAMS\AltNet.lnk"
  DeleteRegKey HKLM "Software\Classes\Directory\shell\AltNet"
  DeleteRegKey HKLM "Software\Microsoft\Windows\CurrentVersion\App Paths\altnet.exe"
  DeleteRegKey HKLM "${UNINSTALL}"
  DeleteRegKey HKLM "Software\AltNet"
  SetShellVarContext current
  DeleteRegValue HKCU "Software\Microsoft\Windows\CurrentVersion\Run" "AltNet"
  ; What this person's node stored can be fetched again; the keys cannot.
  RMDir /r "$LOCALAPPDATA\AltNet"
  RMDir /r "$LOCALAPPDATA\fyne\org.altnet.AltNet" ; the window's own cache and state
  RMDir "$LOCALAPPDATA\fyne"
  RMDir /r "$APPDATA\fyne\org.altnet.AltNet"
  RMDir "$APPDATA\fyne"
  ${If} ${FileExists} "$APPDATA\AltNet\profile\*.*"
    DetailPrint "$(KeysStay) $APPDATA\AltNet\profile"
    MessageBox MB_OK|MB_ICONINFORMATION "$(KeysStay)$\r$\n$\r$\n$APPDATA\AltNet\profile" /SD IDOK
  ${Else}
    RMDir "$APPDATA\AltNet"
  ${EndIf}

  Delete "$INSTDIR\altnet.exe"
  Delete "$INSTDIR\altnet-desktop.exe"
  Delete "$INSTDIR\altnet.ico"
  Delete "$INSTDIR\LICENSE"
  Delete "$INSTDIR\LIBRARIES.txt"
  Delete "$INSTDIR\README.md"
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
SectionEnd
