// Code generated from the USB-IF HID Usage Tables 1.6 (names as machine-readable in Linux 7.3); DO NOT EDIT.
// SPDX-License-Identifier: Apache-2.0

package descriptor

// usageNames holds, for each page, "hex name" lines; parsed when first asked for.
var usageNames = map[uint16]string{
	0x01: `1 Pointer
2 Mouse
4 Joystick
5 Gamepad
6 Keyboard
7 Keypad
8 Multiaxis Controller
9 Tablet PC System Controls
a Water Cooling Device
b Computer Chassis Device
c Wireless Radio Controls
d Portable Device Control
e System Multi Axis Controller
f Spatial Controller
10 Assistive Control
11 Device Dock
12 Dockable Device
13 Call State Management Control
30 X
31 Y
32 Z
33 Rx
34 Ry
35 Rz
36 Slider
37 Dial
38 Wheel
39 Hat Switch
3a Counted Buffer
3b Byte Count
3c Motion Wakeup
3d Start
3e Select
40 Vx
41 Vy
42 Vz
43 Vbrx
44 Vbry
45 Vbrz
46 Vno
47 Feature Notification
48 Resolution Multiplier
49 Qx
4a Qy
4b Qz
4c Qw
80 System Control
81 System Power Down
82 System Sleep
83 System Wake Up
84 System Context Menu
85 System Main Menu
86 System App Menu
87 System Menu Help
88 System Menu Exit
89 System Menu Select
8a System Menu Right
8b System Menu Left
8c System Menu Up
8d System Menu Down
8e System Cold Restart
8f System Warm Restart
90 Dpad Up
91 Dpad Down
92 Dpad Right
93 Dpad Left
94 Index Trigger
95 Palm Trigger
96 Thumbstick
97 System Function Shift
98 System Function Shift Lock
99 System Function Shift Lock Indicator
9a System Dismiss Notification
9b System Do Not Disturb
a0 System Dock
a1 System Undock
a2 System Setup
a3 System Break
a4 System Debugger Break
a5 Application Break
a6 Application Debugger Break
a7 System Speaker Mute
a8 System Hibernate
a9 System Microphone Mute
aa System Accessibility Binding
b0 System Display Invert
b1 System Display Internal
b2 System Display External
b3 System Display Both
b4 System Display Dual
b5 System Display Toggle Int Ext Mode
b6 System Display Swap Primary Secondary
b7 System Display Toggle LCD Autoscale
c0 Sensor Zone
c1 RPM
c2 Coolant Level
c3 Coolant Critical Level
c4 Coolant Pump
c5 Chassis Enclosure
c6 Wireless Radio Button
c7 Wireless Radio LED
c8 Wireless Radio Slider Switch
c9 System Display Rotation Lock Button
ca System Display Rotation Lock Slider Switch
cb Control Enable
d0 Dockable Device Unique ID
d1 Dockable Device Vendor ID
d2 Dockable Device Primary Usage Page
d3 Dockable Device Primary Usage ID
d4 Dockable Device Docking State
d5 Dockable Device Display Occlusion
d6 Dockable Device Object Type
e0 Call Active LED
e1 Call Mute Toggle
e2 Call Mute LED`,
	0x02: `1 Flight Simulation Device
2 Automobile Simulation Device
3 Tank Simulation Device
4 Spaceship Simulation Device
5 Submarine Simulation Device
6 Sailing Simulation Device
7 Motorcycle Simulation Device
8 Sports Simulation Device
9 Airplane Simulation Device
a Helicopter Simulation Device
b Magic Carpet Simulation Device
c Bicycle Simulation Device
20 Flight Control Stick
21 Flight Stick
22 Cyclic Control
23 Cyclic Trim
24 Flight Yoke
25 Track Control
30 Oar
31 Slope
32 Rate
33 Stick Speed
34 Stick Face Angle
35 Stick Heel Toe
36 Stick Follow Through
37 Stick Tempo
38 Stick Type
39 Stick Height
50 Putter
51 One Iron
52 Two Iron
53 Three Iron
54 Four Iron
55 Five Iron
56 Six Iron
57 Seven Iron
58 Eight Iron
59 Nine Iron
5a One 0 Iron
5b One 1 Iron
5c Sand Wedge
5d Loft Wedge
5e Power Wedge
5f One Wood
60 Three Wood
61 Five Wood
62 Seven Wood
63 Nine Wood
b0 Aileron
b1 Aileron Trim
b2 Anti Torque Control
b3 Autopilot Enable
b4 Chaff Release
b5 Collective Control
b6 Dive Brake
b7 Electronic Countermeasures
b8 Elevator
b9 Elevator Trim
ba Rudder
bb Throttle
bc Flight Communications
bd Flare Release
be Landing Gear
bf Toe Brake
c0 Trigger
c1 Weapons Arm
c2 Weapons Select
c3 Wing Flaps
c4 Accelerator
c5 Brake
c6 Clutch
c7 Shifter
c8 Steering
c9 Turret Direction
ca Barrel Elevation
cb Dive Plane
cc Ballast
cd Bicycle Crank
ce Handle Bars
cf Front Brake
d0 Rear Brake`,
	0x03: `1 Belt
2 Body Suit
3 Flexor
4 Glove
5 Head Tracker
6 Head Mounted Display
7 Hand Tracker
8 Oculometer
9 Vest
a Animatronic Device
20 Stereo Enable
21 Display Enable`,
	0x05: `1 Three D Game Controller
2 Pinball Device
3 Gun Device
20 Pointof View
21 Turn Right Left
22 Pitch Forward Backward
23 Roll Right Left
24 Move Right Left
25 Move Forward Backward
26 Move Up Down
27 Lean Right Left
28 Lean Forward Backward
29 Heightof POV
2a Flipper
2b Secondary Flipper
2c Bump
2d New Game
2e Shoot Ball
2f Player
30 Gun Bolt
31 Gun Clip
32 Gun Selector
33 Gun Single Shot
34 Gun Burst
35 Gun Automatic
36 Gun Safety
37 Gamepad Fire Jump
39 Gamepad Trigger
3a Formfitting Gamepad`,
	0x06: `1 Background Nonuser Controls
20 Battery Strength
21 Wireless Channel
22 Wireless ID
23 Discover Wireless Control
24 Security Code Character Entered
25 Security Code Character Erased
26 Security Code Cleared
27 Sequence ID
28 Sequence ID Reset
29 RF Signal Strength
2a Software Version
2b Protocol Version
2c Hardware Version
2d Major
2e Minor
2f Revision
30 Handedness
31 Either Hand
32 Left Hand
33 Right Hand
34 Both Hands
40 Grip Pose Offset
41 Pointer Pose Offset`,
	0x07: `1 Error Roll Over
2 POST Fail
3 Error Undefined
4 A
5 B
6 C
7 D
8 E
9 F
a G
b H
c I
d J
e K
f L
10 M
11 N
12 O
13 P
14 Q
15 R
16 S
17 T
18 U
19 V
1a W
1b X
1c Y
1d Z
1e 1and Bang
1f 2and At
20 3and Hash
21 4and Dollar
22 5and Percent
23 6and Caret
24 7and Ampersand
25 8and Star
26 9and Left Bracket
27 0and Right Bracket
28 Return Enter
29 Escape
2a Delete
2b Tab
2c Spacebar
2d Dashand Underscore
2e Equalsand Plus
2f Left Brace
30 Right Brace
31 Backslashand Pipe
32 Non US Hashand Tilde
33 Semi Colonand Colon
34 Left Aposand Double
35 Grave Accentand Tilde
36 Commaand Less Than
37 Periodand Greater Than
38 Forward Slashand Question Mark
39 Caps Lock
3a F 1
3b F 2
3c F 3
3d F 4
3e F 5
3f F 6
40 F 7
41 F 8
42 F 9
43 F 10
44 F 11
45 F 12
46 Print Screen
47 Scroll Lock
48 Pause
49 Insert
4a Home
4b Page Up
4c Delete Forward
4d End
4e Page Down
4f Right Arrow
50 Left Arrow
51 Down Arrow
52 Up Arrow
53 Keypad Num Lockand Clear
54 Keypad Forward Slash
55 Keypad Star
56 Keypad Dash
57 Keypad Plus
58 Keypad ENTER
59 Keypad 1and End
5a Keypad 2and Down Arrow
5b Keypad 3and Page Dn
5c Keypad 4and Left Arrow
5d Keypad 5
5e Keypad 6and Right Arrow
5f Keypad 7and Home
60 Keypad 8and Up Arrow
61 Keypad 9and Page Up
62 Keypad 0and Insert
63 Keypad Periodand Delete
64 Non US Backslashand Pipe
65 Application
66 Power
67 Keypad Equals
68 F 13
69 F 14
6a F 15
6b F 16
6c F 17
6d F 18
6e F 19
6f F 20
70 F 21
71 F 22
72 F 23
73 F 24
74 Execute
75 Help
76 Menu
77 Select
78 Stop
79 Again
7a Undo
7b Cut
7c Copy
7d Paste
7e Find
7f Mute
80 Volume Up
81 Volume Down
82 Locking Caps Lock
83 Locking Num Lock
84 Locking Scroll Lock
85 Keypad Comma
86 Keypad Equal Sign
87 International 1
88 International 2
89 International 3
8a International 4
8b International 5
8c International 6
8d International 7
8e International 8
8f International 9
90 LANG 1
91 LANG 2
92 LANG 3
93 LANG 4
94 LANG 5
95 LANG 6
96 LANG 7
97 LANG 8
98 LANG 9
99 Alternate Erase
9a Sys Req Attention
9b Cancel
9c Clear
9d Prior
9e Return
9f Separator
a0 Out
a1 Oper
a2 Clear Again
a3 Cr Sel Props
a4 Ex Sel
b0 Keypad Double 0
b1 Keypad Triple 0
b2 Thousands Separator
b3 Decimal Separator
b4 Currency Unit
b5 Currency Subunit
b6 Keypad Left Bracket
b7 Keypad Right Bracket
b8 Keypad Left Brace
b9 Keypad Right Brace
ba Keypad Tab
bb Keypad Backspace
bc Keypad A
bd Keypad B
be Keypad C
bf Keypad D
c0 Keypad E
c1 Keypad F
c2 Keypad XOR
c3 Keypad Caret
c4 Keypad Percentage
c5 Keypad Less
c6 Keypad Greater
c7 Keypad Ampersand
c8 Keypad Double Ampersand
c9 Keypad Bar
ca Keypad Double Bar
cb Keypad Colon
cc Keypad Hash
cd Keypad Space
ce Keypad At
cf Keypad Bang
d0 Keypad Memory Store
d1 Keypad Memory Recall
d2 Keypad Memory Clear
d3 Keypad Memory Add
d4 Keypad Memory Subtract
d5 Keypad Memory Multiply
d6 Keypad Memory Divide
d7 Keypad Plus Minus
d8 Keypad Clear
d9 Keypad Clear Entry
da Keypad Binary
db Keypad Octal
dc Keypad Decimal
dd Keypad Hexadecimal
e0 Left Control
e1 Left Shift
e2 Left Alt
e3 Left GUI
e4 Right Control
e5 Right Shift
e6 Right Alt
e7 Right GUI`,
	0x08: `1 Num Lock
2 Caps Lock
3 Scroll Lock
4 Compose
5 Kana
6 Power
7 Shift
8 Do Not Disturb
9 Mute
a Tone Enable
b High Cut Filter
c Low Cut Filter
d Equalizer Enable
e Sound Field On
f Surround On
10 Repeat
11 Stereo
12 Sampling Rate Detect
13 Spinning
14 CAV
15 CLV
16 Recording Format Detect
17 Off Hook
18 Ring
19 Message Waiting
1a Data Mode
1b Battery Operation
1c Battery OK
1d Battery Low
1e Speaker
1f Headset
20 Hold
21 Microphone
22 Coverage
23 Night Mode
24 Send Calls
25 Call Pickup
26 Conference
27 Standby
28 Camera On
29 Camera Off
2a On Line
2b Off Line
2c Busy
2d Ready
2e Paper Out
2f Paper Jam
30 Remote
31 Forward
32 Reverse
33 Stop
34 Rewind
35 Fast Forward
36 Play
37 Pause
38 Record
39 Error
3a Usage Selected Indicator
3b Usage In Use Indicator
3c Usage Multi Mode Indicator
3d Indicator On
3e Indicator Flash
3f Indicator Slow Blink
40 Indicator Fast Blink
41 Indicator Off
42 Flash On Time
43 Slow Blink On Time
44 Slow Blink Off Time
45 Fast Blink On Time
46 Fast Blink Off Time
47 Usage Indicator Color
48 Indicator Red
49 Indicator Green
4a Indicator Amber
4b Generic Indicator
4c System Suspend
4d External Power Connected
4e Indicator Blue
4f Indicator Orange
50 Good Status
51 Warning Status
52 RGBLED
53 Red LED Channel
54 Blue LED Channel
55 Green LED Channel
56 LED Intensity
57 System Microphone Mute
60 Player Indicator
61 Player 1
62 Player 2
63 Player 3
64 Player 4
65 Player 5
66 Player 6
67 Player 7
68 Player 8`,
	0x0b: `1 Phone
2 Answering Machine
3 Message Controls
4 Handset
5 Headset
6 Telephony Key Pad
7 Programmable Button
20 Hook Switch
21 Flash
22 Feature
23 Hold
24 Redial
25 Transfer
26 Drop
27 Park
28 Forward Calls
29 Alternate Function
2a Line
2b Speaker Phone
2c Conference
2d Ring Enable
2e Ring Select
2f Phone Mute
30 Caller ID
31 Send
50 Speed Dial
51 Store Number
52 Recall Number
53 Phone Directory
70 Voice Mail
71 Screen Calls
72 Do Not Disturb
73 Message
74 Answer On Off
90 Inside Dial Tone
91 Outside Dial Tone
92 Inside Ring Tone
93 Outside Ring Tone
94 Priority Ring Tone
95 Inside Ringback
96 Priority Ringback
97 Line Busy Tone
98 Reorder Tone
99 Call Waiting Tone
9a Confirmation Tone 1
9b Confirmation Tone 2
9c Tones Off
9d Outside Ringback
9e Ringer
b0 Phone Key 0
b1 Phone Key 1
b2 Phone Key 2
b3 Phone Key 3
b4 Phone Key 4
b5 Phone Key 5
b6 Phone Key 6
b7 Phone Key 7
b8 Phone Key 8
b9 Phone Key 9
ba Phone Key Star
bb Phone Key Pound
bc Phone Key A
bd Phone Key B
be Phone Key C
bf Phone Key D
c0 Phone Call History Key
c1 Phone Caller ID Key
c2 Phone Settings Key
f0 Host Control
f1 Host Available
f2 Host Call Active
f3 Activate Handset Audio
f4 Ring Type
f5 Redialable Phone Number
f8 Stop Ring Tone
f9 PSTN Ring Tone
fa Host Ring Tone
fb Alert Sound Error
fc Alert Sound Confirm
fd Alert Sound Notification
fe Silent Ring
108 Email Message Waiting
109 Voicemail Message Waiting
10a Host Hold
110 Incoming Call History Count
111 Outgoing Call History Count
112 Incoming Call History
113 Outgoing Call History
114 Phone Locale
140 Phone Time Second
141 Phone Time Minute
142 Phone Time Hour
143 Phone Date Day
144 Phone Date Month
145 Phone Date Year
146 Handset Nickname
147 Address Book ID
14a Call Duration
14b Dual Mode Phone`,
	0x0c: `1 Consumer Control
2 Numeric Key Pad
3 Programmable Buttons
4 Microphone
5 Headphone
6 Graphic Equalizer
20 Plus 10
21 Plus 100
22 AMPM
30 Power
31 Reset
32 Sleep
33 Sleep After
34 Sleep Mode
35 Illumination
36 Function Buttons
40 Menu
41 Menu Pick
42 Menu Up
43 Menu Down
44 Menu Left
45 Menu Right
46 Menu Escape
47 Menu Value Increase
48 Menu Value Decrease
60 Data On Screen
61 Closed Caption
62 Closed Caption Select
63 VCRTV
64 Broadcast Mode
65 Snapshot
66 Still
67 Picturein Picture Toggle
68 Picturein Picture Swap
69 Red Menu Button
6a Green Menu Button
6b Blue Menu Button
6c Yellow Menu Button
6d Aspect
6e Three D Mode Select
6f Display Brightness Increment
70 Display Brightness Decrement
71 Display Brightness
72 Display Backlight Toggle
73 Display Set Brightnessto Minimum
74 Display Set Brightnessto Maximum
75 Display Set Auto Brightness
76 Camera Access Enabled
77 Camera Access Disabled
78 Camera Access Toggle
79 Keyboard Brightness Increment
7a Keyboard Brightness Decrement
7b Keyboard Backlight Set Level
7c Keyboard Backlight OOC
7d Keyboard Backlight Set Minimum
7e Keyboard Backlight Set Maximum
7f Keyboard Backlight Auto
80 Selection
81 Assign Selection
82 Mode Step
83 Recall Last
84 Enter Channel
85 Order Movie
86 Channel
87 Media Selection
88 Media Select Computer
89 Media Select TV
8a Media Select WWW
8b Media Select DVD
8c Media Select Telephone
8d Media Select Program Guide
8e Media Select Video Phone
8f Media Select Games
90 Media Select Messages
91 Media Select CD
92 Media Select VCR
93 Media Select Tuner
94 Quit
95 Help
96 Media Select Tape
97 Media Select Cable
98 Media Select Satellite
99 Media Select Security
9a Media Select Home
9b Media Select Call
9c Channel Increment
9d Channel Decrement
9e Media Select SAP
a0 VCR Plus
a1 Once
a2 Daily
a3 Weekly
a4 Monthly
b0 Play
b1 Pause
b2 Record
b3 Fast Forward
b4 Rewind
b5 Scan Next Track
b6 Scan Previous Track
b7 Stop
b8 Eject
b9 Random Play
ba Select Disc
bb Enter Disc
bc Repeat
bd Tracking
be Track Normal
bf Slow Tracking
c0 Frame Forward
c1 Frame Back
c2 Mark
c3 Clear Mark
c4 Repeat From Mark
c5 Return To Mark
c6 Search Mark Forward
c7 Search Mark Backwards
c8 Counter Reset
c9 Show Counter
ca Tracking Increment
cb Tracking Decrement
cc Stop Eject
cd Play Pause
ce Play Skip
cf Voice Command
d0 Invoke Capture Interface
d1 Startor Stop Game Recording
d2 Historical Game Capture
d3 Capture Game Screenshot
d4 Showor Hide Recording Indicator
d5 Startor Stop Microphone Capture
d6 Startor Stop Camera Capture
d7 Startor Stop Game Broadcast
d8 Startor Stop Voice Dictation Session
d9 Invoke Dismiss Emoji Picker
e0 Volume
e1 Balance
e2 Mute
e3 Bass
e4 Treble
e5 Bass Boost
e6 Surround Mode
e7 Loudness
e8 MPX
e9 Volume Increment
ea Volume Decrement
f0 Speed Select
f1 Playback Speed
f2 Standard Play
f3 Long Play
f4 Extended Play
f5 Slow
100 Fan Enable
101 Fan Speed
102 Light Enable
103 Light Illumination Level
104 Climate Control Enable
105 Room Temperature
106 Security Enable
107 Fire Alarm
108 Police Alarm
109 Proximity
10a Motion
10b Duress Alarm
10c Holdup Alarm
10d Medical Alarm
150 Balance Right
151 Balance Left
152 Bass Increment
153 Bass Decrement
154 Treble Increment
155 Treble Decrement
160 Speaker System
161 Channel Left
162 Channel Right
163 Channel Center
164 Channel Front
165 Channel Center Front
166 Channel Side
167 Channel Surround
168 Channel Low Frequency Enhancement
169 Channel Top
16a Channel Unknown
170 Subchannel
171 Subchannel Increment
172 Subchannel Decrement
173 Alternate Audio Increment
174 Alternate Audio Decrement
180 Application Launch Buttons
181 AL Launch Button Configuration Tool
182 AL Programmable Button Configuration
183 AL Consumer Control Configuration
184 AL Word Processor
185 AL Text Editor
186 AL Spreadsheet
187 AL Graphics Editor
188 AL Presentation App
189 AL Database App
18a AL Email Reader
18b AL Newsreader
18c AL Voicemail
18d AL Contacts Address Book
18e AL Calendar Schedule
18f AL Task Project Manager
190 AL Log Journal Timecard
191 AL Checkbook Finance
192 AL Calculator
193 ALAV Capture Playback
194 AL Local Machine Browser
195 ALLANWAN Browser
196 AL Internet Browser
197 AL Remote Networking ISP Connect
198 AL Network Conference
199 AL Network Chat
19a AL Telephony Dialer
19b AL Logon
19c AL Logoff
19d AL Logon Logoff
19e AL Terminal Lock Screensaver
19f AL Control Panel
1a0 AL Command Line Processor Run
1a1 AL Process Task Manager
1a2 AL Select Task Application
1a3 AL Next Task Application
1a4 AL Previous Task Application
1a5 AL Preemptive Halt Task Application
1a6 AL Integrated Help Center
1a7 AL Documents
1a8 AL Thesaurus
1a9 AL Dictionary
1aa AL Desktop
1ab AL Spell Check
1ac AL Grammar Check
1ad AL Wireless Status
1ae AL Keyboard Layout
1af AL Virus Protection
1b0 AL Encryption
1b1 AL Screen Saver
1b2 AL Alarms
1b3 AL Clock
1b4 AL File Browser
1b5 AL Power Status
1b6 AL Image Browser
1b7 AL Audio Browser
1b8 AL Movie Browser
1b9 AL Digital Rights Manager
1ba AL Digital Wallet
1bc AL Instant Messaging
1bd ALOEM Features Tips Tutorial Browser
1be ALOEM Help
1bf AL Online Community
1c0 AL Entertainment Content Browser
1c1 AL Online Shopping Browser
1c2 AL Smart Card Information Help
1c3 AL Market Monitor Finance Browser
1c4 AL Customized Corporate News Browser
1c5 AL Online Activity Browser
1c6 AL Research Search Browser
1c7 AL Audio Player
1c8 AL Message Status
1c9 AL Contact Sync
1ca AL Navigation
1cb AL Contextaware Desktop Assistant
200 Generic GUI Application Controls
201 AC New
202 AC Open
203 AC Close
204 AC Exit
205 AC Maximize
206 AC Minimize
207 AC Save
208 AC Print
209 AC Properties
21a AC Undo
21b AC Copy
21c AC Cut
21d AC Paste
21e AC Select All
21f AC Find
220 AC Findand Replace
221 AC Search
222 AC Go To
223 AC Home
224 AC Back
225 AC Forward
226 AC Stop
227 AC Refresh
228 AC Previous Link
229 AC Next Link
22a AC Bookmarks
22b AC History
22c AC Subscriptions
22d AC Zoom In
22e AC Zoom Out
22f AC Zoom
230 AC Full Screen View
231 AC Normal View
232 AC View Toggle
233 AC Scroll Up
234 AC Scroll Down
235 AC Scroll
236 AC Pan Left
237 AC Pan Right
238 AC Pan
239 AC New Window
23a AC Tile Horizontally
23b AC Tile Vertically
23c AC Format
23d AC Edit
23e AC Bold
23f AC Italics
240 AC Underline
241 AC Strikethrough
242 AC Subscript
243 AC Superscript
244 AC All Caps
245 AC Rotate
246 AC Resize
247 AC Flip Horizontal
248 AC Flip Vertical
249 AC Mirror Horizontal
24a AC Mirror Vertical
24b AC Font Select
24c AC Font Color
24d AC Font Size
24e AC Justify Left
24f AC Justify Center H
250 AC Justify Right
251 AC Justify Block H
252 AC Justify Top
253 AC Justify Center V
254 AC Justify Bottom
255 AC Justify Block V
256 AC Indent Decrease
257 AC Indent Increase
258 AC Numbered List
259 AC Restart Numbering
25a AC Bulleted List
25b AC Promote
25c AC Demote
25d AC Yes
25e AC No
25f AC Cancel
260 AC Catalog
261 AC Buy Checkout
262 AC Addto Cart
263 AC Expand
264 AC Expand All
265 AC Collapse
266 AC Collapse All
267 AC Print Preview
268 AC Paste Special
269 AC Insert Mode
26a AC Delete
26b AC Lock
26c AC Unlock
26d AC Protect
26e AC Unprotect
26f AC Attach Comment
270 AC Delete Comment
271 AC View Comment
272 AC Select Word
273 AC Select Sentence
274 AC Select Paragraph
275 AC Select Column
276 AC Select Row
277 AC Select Table
278 AC Select Object
279 AC Redo Repeat
27a AC Sort
27b AC Sort Ascending
27c AC Sort Descending
27d AC Filter
27e AC Set Clock
27f AC View Clock
280 AC Select Time Zone
281 AC Edit Time Zones
282 AC Set Alarm
283 AC Clear Alarm
284 AC Snooze Alarm
285 AC Reset Alarm
286 AC Synchronize
287 AC Send Receive
288 AC Send To
289 AC Reply
28a AC Reply All
28b AC Forward Msg
28c AC Send
28d AC Attach File
28e AC Upload
28f AC Download Save Target As
290 AC Set Borders
291 AC Insert Row
292 AC Insert Column
293 AC Insert File
294 AC Insert Picture
295 AC Insert Object
296 AC Insert Symbol
297 AC Saveand Close
298 AC Rename
299 AC Merge
29a AC Split
29b AC Disribute Horizontally
29c AC Distribute Vertically
29d AC Next Keyboard Layout Select
29e AC Navigation Guidance
29f AC Desktop Show All Windows
2a0 AC Soft Key Left
2a1 AC Soft Key Right
2a2 AC Desktop Show All Applications
2b0 AC Idle Keep Alive
2c0 Extended Keyboard Attributes Collection
2c1 Keyboard Form Factor
2c2 Keyboard Key Type
2c3 Keyboard Physical Layout
2c4 Vendor Specific Keyboard Physical Layout
2c5 Keyboard IETF Language Tag Index
2c6 Implemented Keyboard Input Assist Controls
2c7 Keyboard Input Assist Previous
2c8 Keyboard Input Assist Next
2c9 Keyboard Input Assist Previous Group
2ca Keyboard Input Assist Next Group
2cb Keyboard Input Assist Accept
2cc Keyboard Input Assist Cancel
2d0 Privacy Screen Toggle
2d1 Privacy Screen Level Decrement
2d2 Privacy Screen Level Increment
2d3 Privacy Screen Level Minimum
2d4 Privacy Screen Level Maximum
500 Contact Edited
501 Contact Added
502 Contact Record Active
503 Contact Index
504 Contact Nickname
505 Contact First Name
506 Contact Last Name
507 Contact Full Name
508 Contact Phone Number Personal
509 Contact Phone Number Business
50a Contact Phone Number Mobile
50b Contact Phone Number Pager
50c Contact Phone Number Fax
50d Contact Phone Number Other
50e Contact Email Personal
50f Contact Email Business
510 Contact Email Other
511 Contact Email Main
512 Contact Speed Dial Number
513 Contact Status Flag
514 Contact Misc`,
	0x0d: `1 Digitizer
2 Pen
3 Light Pen
4 Touch Screen
5 Touch Pad
6 Whiteboard
7 Coordinate Measuring Machine
8 Three D Digitizer
9 Stereo Plotter
a Articulated Arm
b Armature
c Multiple Point Digitizer
d Free Space Wand
e Device Configuration
f Capacitive Heat Map Digitizer
20 Stylus
21 Puck
22 Finger
23 Devicesettings
24 Character Gesture
30 Tip Pressure
31 Barrel Pressure
32 In Range
33 Touch
34 Untouch
35 Tap
36 Quality
37 Data Valid
38 Transducer Index
39 Tablet Function Keys
3a Program Change Keys
3b Battery Strength
3c Invert
3d X Tilt
3e Y Tilt
3f Azimuth
40 Altitude
41 Twist
42 Tip Switch
43 Secondary Tip Switch
44 Barrel Switch
45 Eraser
46 Tablet Pick
47 Touch Valid
48 Width
49 Height
51 Contact Identifier
52 Device Mode
53 Device Identifier
54 Contact Count
55 Contact Count Maximum
56 Scan Time
57 Surface Switch
58 Button Switch
59 Pad Type
5a Secondary Barrel Switch
5b Transducer Serial Number
5c Preferred Color
5d Preferred Coloris Locked
5e Preferred Line Width
5f Preferred Line Widthis Locked
60 Latency Mode
61 Gesture Character Quality
62 Character Gesture Data Length
63 Character Gesture Data
64 Gesture Character Encoding
65 UTF 8 Character Gesture Encoding
66 UTF 16 Little Endian Character Gesture Encoding
67 UTF 16 Big Endian Character Gesture Encoding
68 UTF 32 Little Endian Character Gesture Encoding
69 UTF 32 Big Endian Character Gesture Encoding
6a Capacitive Heat Map Protocol Vendor ID
6b Capacitive Heat Map Protocol Version
6c Capacitive Heat Map Frame Data
6d Gesture Character Enable
6e Transducer Serial Number Part 2
6f No Preferred Color
70 Preferred Line Style
71 Preferred Line Styleis Locked
72 Ink
73 Pencil
74 Highlighter
75 Chisel Marker
76 Brush
77 No Preference
80 Digitizer Diagnostic
81 Digitizer Error
82 Err Normal Status
83 Err Transducers Exceeded
84 Err Full Trans Features Unavailable
85 Err Charge Low
90 Transducer Software Info
91 Transducer Vendor Id
92 Transducer Product Id
93 Device Supported Protocols
94 Transducer Supported Protocols
95 No Protocol
96 Wacom AES Protocol
97 USI Protocol
98 Microsoft Pen Protocol
a0 Supported Report Rates
a1 Report Rate
a2 Transducer Connected
a3 Switch Disabled
a4 Switch Unimplemented
a5 Transducer Switches
a6 Transducer Index Selector
b0 Button Press Threshold`,
	0x0e: `1 Simple Haptic Controller
10 Waveform List
11 Duration List
20 Auto Trigger
21 Manual Trigger
22 Auto Trigger Associated Control
23 Intensity
24 Repeat Count
25 Retrigger Period
26 Waveform Vendor Page
27 Waveform Vendor ID
28 Waveform Cutoff Time
1001 Waveform None
1002 Waveform Stop
1003 Waveform Click
1004 Waveform Buzz Continuous
1005 Waveform Rumble Continuous
1006 Waveform Press
1007 Waveform Release
1008 Waveform Hover
1009 Waveform Success
100a Waveform Error
100b Waveform Ink Continuous
100c Waveform Pencil Continuous
100d Waveform Marker Continuous
100e Waveform Chisel Marker Continuous
100f Waveform Brush Continuous
1010 Waveform Eraser Continuous
1011 Waveform Sparkle Continuous`,
	0x0f: `1 Physical Input Device
20 Normal
21 Set Effect Report
22 Effect Parameter Block Index
23 Parameter Block Offset
24 ROM Flag
25 Effect Type
26 ET Constant Force
27 ET Ramp
28 ET Custom Force
30 ET Square
31 ET Sine
32 ET Triangle
33 ET Sawtooth Up
34 ET Sawtooth Down
40 ET Spring
41 ET Damper
42 ET Inertia
43 ET Friction
50 Duration
51 Sample Period
52 Gain
53 Trigger Button
54 Trigger Repeat Interval
55 Axes Enable
56 Direction Enable
57 Direction
58 Type Specific Block Offset
59 Block Type
5a Set Envelope Report
5b Attack Level
5c Attack Time
5d Fade Level
5e Fade Time
5f Set Condition Report
60 Center Point Offset
61 Positive Coefficient
62 Negative Coefficient
63 Positive Saturation
64 Negative Saturation
65 Dead Band
66 Download Force Sample
67 Isoch Custom Force Enable
68 Custom Force Data Report
69 Custom Force Data
6a Custom Force Vendor Defined Data
6b Set Custom Force Report
6c Custom Force Data Offset
6d Sample Count
6e Set Periodic Report
6f Offset
70 Magnitude
71 Phase
72 Period
73 Set Constant Force Report
74 Set Ramp Force Report
75 Ramp Start
76 Ramp End
77 Effect Operation Report
78 Effect Operation
79 Op Effect Start
7a Op Effect Start Solo
7b Op Effect Stop
7c Loop Count
7d Device Gain Report
7e Device Gain
7f Parameter Block Pools Report
80 RAM Pool Size
81 ROM Pool Size
82 ROM Effect Block Count
83 Simultaneous Effects Max
84 Pool Alignment
85 Parameter Block Move Report
86 Move Source
87 Move Destination
88 Move Length
89 Effect Parameter Block Load Report
8b Effect Parameter Block Load Status
8c Block Load Success
8d Block Load Full
8e Block Load Error
8f Block Handle
90 Effect Parameter Block Free Report
91 Type Specific Block Handle
92 PID State Report
94 Effect Playing
95 PID Device Control Report
96 PID Device Control
97 DC Enable Actuators
98 DC Disable Actuators
99 DC Stop All Effects
9a DC Reset
9b DC Pause
9c DC Continue
9f Device Paused
a0 Actuators Enabled
a4 Safety Switch
a5 Actuator Override Switch
a6 Actuator Power
a7 Start Delay
a8 Parameter Block Size
a9 Device Managed Pool
aa Shared Parameter Blocks
ab Create New Effect Parameter Block Report
ac RAM Pool Available`,
	0x12: `1 Eye Tracker
2 Head Tracker
10 Tracking Data
11 Capabilities
12 Configuration
13 Status
14 Control
20 Sensor Timestamp
21 Position X
22 Position Y
23 Position Z
24 Gaze Point
25 Left Eye Position
26 Right Eye Position
27 Head Position
28 Head Direction Point
29 Rotationabout Xaxis
2a Rotationabout Yaxis
2b Rotationabout Zaxis
100 Tracker Quality
101 Minimum Tracking Distance
102 Optimum Tracking Distance
103 Maximum Tracking Distance
104 Maximum Screen Plane Width
105 Maximum Screen Plane Height
200 Display Manufacturer ID
201 Display Product ID
202 Display Serial Number
203 Display Manufacturer Date
204 Calibrated Screen Width
205 Calibrated Screen Height
300 Sampling Frequency
301 Configuration Status
400 Device Mode Request`,
	0x14: `1 Alphanumeric Display
2 Auxiliary Display
20 Display Attributes Report
21 ASCII Character Set
22 Data Read Back
23 Font Read Back
24 Display Control Report
25 Clear Display
26 Display Enable
27 Screen Saver Delay
28 Screen Saver Enable
29 Vertical Scroll
2a Horizontal Scroll
2b Character Report
2c Display Data
2d Display Status
2e Stat Not Ready
2f Stat Ready
30 Err Notaloadablecharacter
31 Err Fontdatacannotberead
32 Cursor Position Report
33 Row
34 Column
35 Rows
36 Columns
37 Cursor Pixel Positioning
38 Cursor Mode
39 Cursor Enable
3a Cursor Blink
3b Font Report
3c Font Data
3d Character Width
3e Character Height
3f Character Spacing Horizontal
40 Character Spacing Vertical
41 Unicode Character Set
42 Font 7 Segment
43 Seven Segment Direct Map
44 Font 14 Segment
45 One 4 Segment Direct Map
46 Display Brightness
47 Display Contrast
48 Character Attribute
49 Attribute Readback
4a Attribute Data
4b Char Attr Enhance
4c Char Attr Underline
4d Char Attr Blink
80 Bitmap Size X
81 Bitmap Size Y
82 Max Blit Size
83 Bit Depth Format
84 Display Orientation
85 Palette Report
86 Palette Data Size
87 Palette Data Offset
88 Palette Data
8a Blit Report
8b Blit Rectangle X 1
8c Blit Rectangle Y 1
8d Blit Rectangle X 2
8e Blit Rectangle Y 2
8f Blit Data
90 Soft Button
91 Soft Button ID
92 Soft Button Side
93 Soft Button Offset 1
94 Soft Button Offset 2
95 Soft Button Report
c2 Soft Keys
cc Display Data Extensions
cf Character Mapping
dd Unicode Equivalent
df Character Page Mapping
ff Request Report`,
	0x20: `1 Sensor
10 Biometric
11 Biometric Human Presence
12 Biometric Human Proximity
13 Biometric Human Touch
14 Biometric Blood Pressure
15 Biometric Body Temperature
16 Biometric Heart Rate
17 Biometric Heart Rate Variability
18 Biometric Peripheral Oxygen Saturation
19 Biometric Respiratory Rate
20 Electrical
21 Electrical Capacitance
22 Electrical Current
23 Electrical Power
24 Electrical Inductance
25 Electrical Resistance
26 Electrical Voltage
27 Electrical Potentiometer
28 Electrical Frequency
29 Electrical Period
30 Environmental
31 Environmental Atmospheric Pressure
32 Environmental Humidity
33 Environmental Temperature
34 Environmental Wind Direction
35 Environmental Wind Speed
36 Environmental Air Quality
37 Environmental Heat Index
38 Environmental Surface Temperature
39 Environmental Volatile Organic Compounds
3a Environmental Object Presence
3b Environmental Object Proximity
40 Light
41 Light Ambient Light
42 Light Consumer Infrared
43 Light Infrared Light
44 Light Visible Light
45 Light Ultraviolet Light
50 Location
51 Location Broadcast
52 Location Dead Reckoning
53 Location GPS Global Positioning System
54 Location Lookup
55 Location Other
56 Location Static
57 Location Triangulation
60 Mechanical
61 Mechanical Boolean Switch
62 Mechanical Boolean Switch Array
63 Mechanical Multivalue Switch
64 Mechanical Force
65 Mechanical Pressure
66 Mechanical Strain
67 Mechanical Weight
68 Mechanical Haptic Vibrator
69 Mechanical Hall Effect Switch
70 Motion
71 Motion Accelerometer 1 D
72 Motion Accelerometer 2 D
73 Motion Accelerometer 3 D
74 Motion Gyrometer 1 D
75 Motion Gyrometer 2 D
76 Motion Gyrometer 3 D
77 Motion Motion Detector
78 Motion Speedometer
79 Motion Accelerometer
7a Motion Gyrometer
7b Motion Gravity Vector
7c Motion Linear Accelerometer
80 Orientation
81 Orientation Compass 1 D
82 Orientation Compass 2 D
83 Orientation Compass 3 D
84 Orientation Inclinometer 1 D
85 Orientation Inclinometer 2 D
86 Orientation Inclinometer 3 D
87 Orientation Distance 1 D
88 Orientation Distance 2 D
89 Orientation Distance 3 D
8a Orientation Device Orientation
8b Orientation Compass
8c Orientation Inclinometer
8d Orientation Distance
8e Orientation Relative Orientation
8f Orientation Simple Orientation
90 Scanner
91 Scanner Barcode
92 Scanner RFID
93 Scanner NFC
a0 Time
a1 Time Alarm Timer
a2 Time Real Time Clock
b0 Personal Activity
b1 Personal Activity Activity Detection
b2 Personal Activity Device Position
b3 Personal Activity Floor Tracker
b4 Personal Activity Pedometer
b5 Personal Activity Step Detection
c0 Orientation Extended
c1 Orientation Extended Geomagnetic Orientation
c2 Orientation Extended Magnetometer
d0 Gesture
d1 Gesture Chassis Flip Gesture
d2 Gesture Hinge Fold Gesture
e0 Other
e1 Other Custom
e2 Other Generic
e3 Other Generic Enumerator
e4 Other Hinge Angle
f0 Vendor Reserved 1
f1 Vendor Reserved 2
f2 Vendor Reserved 3
f3 Vendor Reserved 4
f4 Vendor Reserved 5
f5 Vendor Reserved 6
f6 Vendor Reserved 7
f7 Vendor Reserved 8
f8 Vendor Reserved 9
f9 Vendor Reserved 10
fa Vendor Reserved 11
fb Vendor Reserved 12
fc Vendor Reserved 13
fd Vendor Reserved 14
fe Vendor Reserved 15
ff Vendor Reserved 16
200 Event
201 Event Sensor State
202 Event Sensor Event
300 Property
301 Property Friendly Name
302 Property Persistent Unique ID
303 Property Sensor Status
304 Property Minimum Report Interval
305 Property Sensor Manufacturer
306 Property Sensor Model
307 Property Sensor Serial Number
308 Property Sensor Description
309 Property Sensor Connection Type
30a Property Sensor Device Path
30b Property Hardware Revision
30c Property Firmware Version
30d Property Release Date
30e Property Report Interval
30f Property Change Sensitivity Absolute
310 Property Change Sensitivity Percentof Range
311 Property Change Sensitivity Percent Relative
312 Property Accuracy
313 Property Resolution
314 Property Maximum
315 Property Minimum
316 Property Reporting State
317 Property Sampling Rate
318 Property Response Curve
319 Property Power State
31a Property Maximum FIFO Events
31b Property Report Latency
31c Property Flush FIFO Events
31d Property Maximum Power Consumption
31e Property Is Primary
31f Property Human Presence Detection Type
400 Data Field Location
402 Data Field Altitude Antenna Sea Level
403 Data Field Differential Reference Station ID
404 Data Field Altitude Ellipsoid Error
405 Data Field Altitude Ellipsoid
406 Data Field Altitude Sea Level Error
407 Data Field Altitude Sea Level
408 Data Field Differential GPS Data Age
409 Data Field Error Radius
40a Data Field Fix Quality
40b Data Field Fix Type
40c Data Field Geoidal Separation
40d Data Field GPS Operation Mode
40e Data Field GPS Selection Mode
40f Data Field GPS Status
410 Data Field Position Dilutionof Precision
411 Data Field Horizontal Dilutionof Precision
412 Data Field Vertical Dilutionof Precision
413 Data Field Latitude
414 Data Field Longitude
415 Data Field True Heading
416 Data Field Magnetic Heading
417 Data Field Magnetic Variation
418 Data Field Speed
419 Data Field Satellitesin View
41a Data Field Satellitesin View Azimuth
41b Data Field Satellitesin View Elevation
41c Data Field Satellitesin View I Ds
41d Data Field Satellitesin View PR Ns
41e Data Field Satellitesin View SN Ratios
41f Data Field Satellites Used Count
420 Data Field Satellites Used PR Ns
421 Data Field NMEA Sentence
422 Data Field Address Line 1
423 Data Field Address Line 2
424 Data Field City
425 Data Field Stateor Province
426 Data Field Countryor Region
427 Data Field Postal Code
42a Property Location
42b Property Location Desired Accuracy
430 Data Field Environmental
431 Data Field Atmospheric Pressure
433 Data Field Relative Humidity
434 Data Field Temperature
435 Data Field Wind Direction
436 Data Field Wind Speed
437 Data Field Air Quality Index
438 Data Field Equivalent CO 2
439 Data Field Volatile Organic Compound Concentration
43a Data Field Object Presence
43b Data Field Object Proximity Range
43c Data Field Object Proximity Outof Range
440 Property Environmental
441 Property Reference Pressure
450 Data Field Motion
451 Data Field Motion State
452 Data Field Acceleration
453 Data Field Acceleration Axis X
454 Data Field Acceleration Axis Y
455 Data Field Acceleration Axis Z
456 Data Field Angular Velocity
457 Data Field Angular Velocityabout X Axis
458 Data Field Angular Velocityabout Y Axis
459 Data Field Angular Velocityabout Z Axis
45a Data Field Angular Position
45b Data Field Angular Positionabout X Axis
45c Data Field Angular Positionabout Y Axis
45d Data Field Angular Positionabout Z Axis
45e Data Field Motion Speed
45f Data Field Motion Intensity
470 Data Field Orientation
471 Data Field Heading
472 Data Field Heading X Axis
473 Data Field Heading Y Axis
474 Data Field Heading Z Axis
475 Data Field Heading Compensated Magnetic North
476 Data Field Heading Compensated True North
477 Data Field Heading Magnetic North
478 Data Field Heading True North
479 Data Field Distance
47a Data Field Distance X Axis
47b Data Field Distance Y Axis
47c Data Field Distance Z Axis
47d Data Field Distance Outof Range
47e Data Field Tilt
47f Data Field Tilt X Axis
480 Data Field Tilt Y Axis
481 Data Field Tilt Z Axis
482 Data Field Rotation Matrix
483 Data Field Quaternion
484 Data Field Magnetic Flux
485 Data Field Magnetic Flux X Axis
486 Data Field Magnetic Flux Y Axis
487 Data Field Magnetic Flux Z Axis
488 Data Field Magnetometer Accuracy
489 Data Field Simple Orientation Direction
490 Data Field Mechanical
491 Data Field Boolean Switch State
492 Data Field Boolean Switch Array States
493 Data Field Multivalue Switch Value
494 Data Field Force
495 Data Field Absolute Pressure
496 Data Field Gauge Pressure
497 Data Field Strain
498 Data Field Weight
4a0 Property Mechanical
4a1 Property Vibration State
4a2 Property Forward Vibration Speed
4a3 Property Backward Vibration Speed
4b0 Data Field Biometric
4b1 Data Field Human Presence
4b2 Data Field Human Proximity Range
4b3 Data Field Human Proximity Outof Range
4b4 Data Field Human Touch State
4b5 Data Field Blood Pressure
4b6 Data Field Blood Pressure Diastolic
4b7 Data Field Blood Pressure Systolic
4b8 Data Field Heart Rate
4b9 Data Field Resting Heart Rate
4ba Data Field Heartbeat Interval
4bb Data Field Respiratory Rate
4bc Data Field Sp O 2
4bd Data Field Human Attention Detected
4be Data Field Human Head Azimuth
4bf Data Field Human Head Altitude
4c0 Data Field Human Head Roll
4c1 Data Field Human Head Pitch
4c2 Data Field Human Head Yaw
4c3 Data Field Human Correlation Id
4d0 Data Field Light
4d1 Data Field Illuminance
4d2 Data Field Color Temperature
4d3 Data Field Chromaticity
4d4 Data Field Chromaticity X
4d5 Data Field Chromaticity Y
4d6 Data Field Consumer IR Sentence Receive
4d7 Data Field Infrared Light
4d8 Data Field Red Light
4d9 Data Field Green Light
4da Data Field Blue Light
4db Data Field Ultraviolet A Light
4dc Data Field Ultraviolet B Light
4dd Data Field Ultraviolet Index
4de Data Field Near Infrared Light
4df Property Light
4e0 Property Consumer IR Sentence Send
4e2 Property Auto Brightness Preferred
4e3 Property Auto Color Preferred
4f0 Data Field Scanner
4f1 Data Field RFID Tag 40 Bit
4f2 Data Field NFC Sentence Receive
4f8 Property Scanner
4f9 Property NFC Sentence Send
500 Data Field Electrical
501 Data Field Capacitance
502 Data Field Current
503 Data Field Electrical Power
504 Data Field Inductance
505 Data Field Resistance
506 Data Field Voltage
507 Data Field Frequency
508 Data Field Period
509 Data Field Percentof Range
520 Data Field Time
521 Data Field Year
522 Data Field Month
523 Data Field Day
524 Data Field Dayof Week
525 Data Field Hour
526 Data Field Minute
527 Data Field Second
528 Data Field Millisecond
529 Data Field Timestamp
52a Data Field Julian Dayof Year
52b Data Field Time Since System Boot
530 Property Time
531 Property Time Zone Offsetfrom UTC
532 Property Time Zone Name
533 Property Daylight Savings Time Observed
534 Property Time Trim Adjustment
535 Property Arm Alarm
540 Data Field Custom
541 Data Field Custom Usage
542 Data Field Custom Boolean Array
543 Data Field Custom Value
544 Data Field Custom Value 1
545 Data Field Custom Value 2
546 Data Field Custom Value 3
547 Data Field Custom Value 4
548 Data Field Custom Value 5
549 Data Field Custom Value 6
54a Data Field Custom Value 7
54b Data Field Custom Value 8
54c Data Field Custom Value 9
54d Data Field Custom Value 10
54e Data Field Custom Value 11
54f Data Field Custom Value 12
550 Data Field Custom Value 13
551 Data Field Custom Value 14
552 Data Field Custom Value 15
553 Data Field Custom Value 16
554 Data Field Custom Value 17
555 Data Field Custom Value 18
556 Data Field Custom Value 19
557 Data Field Custom Value 20
558 Data Field Custom Value 21
559 Data Field Custom Value 22
55a Data Field Custom Value 23
55b Data Field Custom Value 24
55c Data Field Custom Value 25
55d Data Field Custom Value 26
55e Data Field Custom Value 27
55f Data Field Custom Value 28
560 Data Field Generic
561 Data Field Generic GUI Dor PROPERTYKEY
562 Data Field Generic Category GUID
563 Data Field Generic Type GUID
564 Data Field Generic Event PROPERTYKEY
565 Data Field Generic Property PROPERTYKEY
566 Data Field Generic Data Field PROPERTYKEY
567 Data Field Generic Event
568 Data Field Generic Property
569 Data Field Generic Data Field
56a Data Field Enumerator Table Row Index
56b Data Field Enumerator Table Row Count
56c Data Field Generic GUI Dor PROPERTYKE Ykind
56d Data Field Generic GUID
56e Data Field Generic PROPERTYKEY
56f Data Field Generic Top Level Collection ID
570 Data Field Generic Report ID
571 Data Field Generic Report Item Position Index
572 Data Field Generic Firmware VARTYPE
573 Data Field Generic Unitof Measure
574 Data Field Generic Unit Exponent
575 Data Field Generic Report Size
576 Data Field Generic Report Count
580 Property Generic
581 Property Enumerator Table Row Index
582 Property Enumerator Table Row Count
590 Data Field Personal Activity
591 Data Field Activity Type
592 Data Field Activity State
593 Data Field Device Position
594 Data Field Step Count
595 Data Field Step Count Reset
596 Data Field Step Duration
597 Data Field Step Type
5a0 Property Minimum Activity Detection Interval
5a1 Property Supported Activity Types
5a2 Property Subscribed Activity Types
5a3 Property Supported Step Types
5a4 Property Subscribed Step Types
5a5 Property Floor Height
5b0 Data Field Custom Type ID
5c0 Property Custom
5c1 Property Custom Value 1
5c2 Property Custom Value 2
5c3 Property Custom Value 3
5c4 Property Custom Value 4
5c5 Property Custom Value 5
5c6 Property Custom Value 6
5c7 Property Custom Value 7
5c8 Property Custom Value 8
5c9 Property Custom Value 9
5ca Property Custom Value 10
5cb Property Custom Value 11
5cc Property Custom Value 12
5cd Property Custom Value 13
5ce Property Custom Value 14
5cf Property Custom Value 15
5d0 Property Custom Value 16
5e0 Data Field Hinge
5e1 Data Field Hinge Angle
5f0 Data Field Gesture Sensor
5f1 Data Field Gesture State
5f2 Data Field Hinge Fold Initial Angle
5f3 Data Field Hinge Fold Final Angle
5f4 Data Field Hinge Fold Contributing Panel
5f5 Data Field Hinge Fold Type
800 Sensor State Undefined
801 Sensor State Ready
802 Sensor State Not Available
803 Sensor State No Data
804 Sensor State Initializing
805 Sensor State Access Denied
806 Sensor State Error
810 Sensor Event Unknown
811 Sensor Event State Changed
812 Sensor Event Property Changed
813 Sensor Event Data Updated
814 Sensor Event Poll Response
815 Sensor Event Change Sensitivity
816 Sensor Event Range Maximum Reached
817 Sensor Event Range Minimum Reached
818 Sensor Event High Threshold Cross Upward
819 Sensor Event High Threshold Cross Downward
81a Sensor Event Low Threshold Cross Upward
81b Sensor Event Low Threshold Cross Downward
81c Sensor Event Zero Threshold Cross Upward
81d Sensor Event Zero Threshold Cross Downward
81e Sensor Event Period Exceeded
81f Sensor Event Frequency Exceeded
820 Sensor Event Complex Trigger
830 Connection Type PC Integrated
831 Connection Type PC Attached
832 Connection Type PC External
840 Reporting State Report No Events
841 Reporting State Report All Events
842 Reporting State Report Threshold Events
843 Reporting State Wake On No Events
844 Reporting State Wake On All Events
845 Reporting State Wake On Threshold Events
846 Reporting State Anytime
850 Power State Undefined
851 Power State D 0 Full Power
852 Power State D 1 Low Power
853 Power State D 2 Standby Powerwith Wakeup
854 Power State D 3 Sleepwith Wakeup
855 Power State D 4 Power Off
860 Accuracy Default
861 Accuracy High
862 Accuracy Medium
863 Accuracy Low
870 Fix Quality No Fix
871 Fix Quality GPS
872 Fix Quality DGPS
880 Fix Type No Fix
881 Fix Type GPSSPS Mode Fix Valid
882 Fix Type DGPSSPS Mode Fix Valid
883 Fix Type GPSPPS Mode Fix Valid
884 Fix Type Real Time Kinematic
885 Fix Type Float RTK
886 Fix Type Estimateddeadreckoned
887 Fix Type Manual Input Mode
888 Fix Type Simulator Mode
890 GPS Operation Mode Manual
891 GPS Operation Mode Automatic
8a0 GPS Selection Mode Autonomous
8a1 GPS Selection Mode DGPS
8a2 GPS Selection Mode Estimateddeadreckoned
8a3 GPS Selection Mode Manual Input
8a4 GPS Selection Mode Simulator
8a5 GPS Selection Mode Data Not Valid
8b0 GPS Status Data Valid
8b1 GPS Status Data Not Valid
8c0 Dayof Week Sunday
8c1 Dayof Week Monday
8c2 Dayof Week Tuesday
8c3 Dayof Week Wednesday
8c4 Dayof Week Thursday
8c5 Dayof Week Friday
8c6 Dayof Week Saturday
8d0 Kind Category
8d1 Kind Type
8d2 Kind Event
8d3 Kind Property
8d4 Kind Data Field
8e0 Magnetometer Accuracy Low
8e1 Magnetometer Accuracy Medium
8e2 Magnetometer Accuracy High
8f0 Simple Orientation Direction Not Rotated
8f1 Simple Orientation Direction Rotated 90 Degrees CCW
8f2 Simple Orientation Direction Rotated 180 Degrees CCW
8f3 Simple Orientation Direction Rotated 270 Degrees CCW
8f4 Simple Orientation Direction Face Up
8f5 Simple Orientation Direction Face Down
900 VT_NULL
901 VT_BOOL
902 VT_UI 1
903 VT_I 1
904 VT_UI 2
905 VT_I 2
906 VT_UI 4
907 VT_I 4
908 VT_UI 8
909 VT_I 8
90a VT_R 4
90b VT_R 8
90c VT_WSTR
90d VT_STR
90e VT_CLSID
90f VT_VECTORVT_UI 1
910 VT_F 16 E 0
911 VT_F 16 E 1
912 VT_F 16 E 2
913 VT_F 16 E 3
914 VT_F 16 E 4
915 VT_F 16 E 5
916 VT_F 16 E 6
917 VT_F 16 E 7
918 VT_F 16 E 8
919 VT_F 16 E 9
91a VT_F 16 EA
91b VT_F 16 EB
91c VT_F 16 EC
91d VT_F 16 ED
91e VT_F 16 EE
91f VT_F 16 EF
920 VT_F 32 E 0
921 VT_F 32 E 1
922 VT_F 32 E 2
923 VT_F 32 E 3
924 VT_F 32 E 4
925 VT_F 32 E 5
926 VT_F 32 E 6
927 VT_F 32 E 7
928 VT_F 32 E 8
929 VT_F 32 E 9
92a VT_F 32 EA
92b VT_F 32 EB
92c VT_F 32 EC
92d VT_F 32 ED
92e VT_F 32 EE
92f VT_F 32 EF
930 Activity Type Unknown
931 Activity Type Stationary
932 Activity Type Fidgeting
933 Activity Type Walking
934 Activity Type Running
935 Activity Type In Vehicle
936 Activity Type Biking
937 Activity Type Idle
940 Unit Not Specified
941 Unit Lux
942 Unit Degrees Kelvin
943 Unit Degrees Celsius
944 Unit Pascal
945 Unit Newton
946 Unit Meters Second
947 Unit Kilogram
948 Unit Meter
949 Unit Meters Second Second
94a Unit Farad
94b Unit Ampere
94c Unit Watt
94d Unit Henry
94e Unit Ohm
94f Unit Volt
950 Unit Hertz
951 Unit Bar
952 Unit Degrees Anticlockwise
953 Unit Degrees Clockwise
954 Unit Degrees
955 Unit Degrees Second
956 Unit Degrees Second Second
957 Unit Knot
958 Unit Percent
959 Unit Second
95a Unit Millisecond
95b Unit G
95c Unit Bytes
95d Unit Milligauss
95e Unit Bits
960 Activity State No State Change
961 Activity State Start Activity
962 Activity State End Activity
970 Exponent 0
971 Exponent 1
972 Exponent 2
973 Exponent 3
974 Exponent 4
975 Exponent 5
976 Exponent 6
977 Exponent 7
978 Exponent 8
979 Exponent 9
97a Exponent A
97b Exponent B
97c Exponent C
97d Exponent D
97e Exponent E
97f Exponent F
980 Device Position Unknown
981 Device Position Unchanged
982 Device Position On Desk
983 Device Position In Hand
984 Device Position Movingin Bag
985 Device Position Stationaryin Bag
990 Step Type Unknown
991 Step Type Walking
992 Step Type Running
9a0 Gesture State Unknown
9a1 Gesture State Started
9a2 Gesture State Completed
9a3 Gesture State Cancelled
9b0 Hinge Fold Contributing Panel Unknown
9b1 Hinge Fold Contributing Panel Panel 1
9b2 Hinge Fold Contributing Panel Panel 2
9b3 Hinge Fold Contributing Panel Both
9b4 Hinge Fold Type Unknown
9b5 Hinge Fold Type Increasing
9b6 Hinge Fold Type Decreasing
9c0 Human Presence Detection Type Vendor Defined Non Biometric
9c1 Human Presence Detection Type Vendor Defined Biometric
9c2 Human Presence Detection Type Facial Biometric
9c3 Human Presence Detection Type Audio Biometric
1000 Modifier Change Sensitivity Absolute
2000 Modifier Maximum
3000 Modifier Minimum
4000 Modifier Accuracy
5000 Modifier Resolution
6000 Modifier Threshold High
7000 Modifier Threshold Low
8000 Modifier Calibration Offset
9000 Modifier Calibration Multiplier
a000 Modifier Report Interval
b000 Modifier Frequency Max
c000 Modifier Period Max
d000 Modifier Change Sensitivity Percentof Range
e000 Modifier Change Sensitivity Percent Relative
f000 Modifier Vendor Reserved`,
	0x40: `1 Medical Ultrasound
20 VCR Acquisition
21 Freeze Thaw
22 Clip Store
23 Update
24 Next
25 Save
26 Print
27 Microphone Enable
40 Cine
41 Transmit Power
42 Volume
43 Focus
44 Depth
60 Soft Step Primary
61 Soft Step Secondary
70 Depth Gain Compensation
80 Zoom Select
81 Zoom Adjust
82 Spectral Doppler Mode Select
83 Spectral Doppler Adjust
84 Color Doppler Mode Select
85 Color Doppler Adjust
86 Motion Mode Select
87 Motion Mode Adjust
88 Two D Mode Select
89 Two D Mode Adjust
a0 Soft Control Select
a1 Soft Control Adjust`,
	0x41: `1 Braille Display
2 Braille Row
3 Eight Dot Braille Cell
4 Six Dot Braille Cell
5 Numberof Braille Cells
6 Screen Reader Control
7 Screen Reader Identifier
fa Router Set 1
fb Router Set 2
fc Router Set 3
100 Router Key
101 Row Router Key
200 Braille Buttons
201 Braille Keyboard Dot 1
202 Braille Keyboard Dot 2
203 Braille Keyboard Dot 3
204 Braille Keyboard Dot 4
205 Braille Keyboard Dot 5
206 Braille Keyboard Dot 6
207 Braille Keyboard Dot 7
208 Braille Keyboard Dot 8
209 Braille Keyboard Space
20a Braille Keyboard Left Space
20b Braille Keyboard Right Space
20c Braille Face Controls
20d Braille Left Controls
20e Braille Right Controls
20f Braille Top Controls
210 Braille Joystick Center
211 Braille Joystick Up
212 Braille Joystick Down
213 Braille Joystick Left
214 Braille Joystick Right
215 Braille D Pad Center
216 Braille D Pad Up
217 Braille D Pad Down
218 Braille D Pad Left
219 Braille D Pad Right
21a Braille Pan Left
21b Braille Pan Right
21c Braille Rocker Up
21d Braille Rocker Down
21e Braille Rocker Press`,
	0x59: `1 Lamp Array
2 Lamp Array Attributes Report
3 Lamp Count
4 Bounding Box Width In Micrometers
5 Bounding Box Height In Micrometers
6 Bounding Box Depth In Micrometers
7 Lamp Array Kind
8 Min Update Interval In Microseconds
20 Lamp Attributes Request Report
21 Lamp Id
22 Lamp Attributes Response Report
23 Position X In Micrometers
24 Position Y In Micrometers
25 Position Z In Micrometers
26 Lamp Purposes
27 Update Latency In Microseconds
28 Red Level Count
29 Green Level Count
2a Blue Level Count
2b Intensity Level Count
2c Is Programmable
2d Input Binding
50 Lamp Multi Update Report
51 Red Update Channel
52 Green Update Channel
53 Blue Update Channel
54 Intensity Update Channel
55 Lamp Update Flags
60 Lamp Range Update Report
61 Lamp Id Start
62 Lamp Id End
70 Lamp Array Control Report
71 Autonomous Mode`,
	0x80: `1 Monitor Control
2 EDID Information
3 VDIF Information
4 VESA Version`,
	0x82: `1 Degauss
10 Brightness
12 Contrast
16 Red Video Gain
18 Green Video Gain
1a Blue Video Gain
1c Focus
20 Horizontal Position
22 Horizontal Size
24 Horizontal Pincushion
26 Horizontal Pincushion Balance
28 Horizontal Misconvergence
2a Horizontal Linearity
2c Horizontal Linearity Balance
30 Vertical Position
32 Vertical Size
34 Vertical Pincushion
36 Vertical Pincushion Balance
38 Vertical Misconvergence
3a Vertical Linearity
3c Vertical Linearity Balance
40 Parallelogram Distortion Key Balance
42 Trapezoidal Distortion Key
44 Tilt Rotation
46 Top Corner Distortion Control
48 Top Corner Distortion Balance
4a Bottom Corner Distortion Control
4c Bottom Corner Distortion Balance
56 Horizontal Moiré
58 Vertical Moiré
5e Input Level Select
60 Input Source Select
6c Red Video Black Level
6e Green Video Black Level
70 Blue Video Black Level
a2 Auto Size Center
a4 Polarity Horizontal Synchronization
a6 Polarity Vertical Synchronization
a8 Synchronization Type
aa Screen Orientation
ac Horizontal Frequency
ae Vertical Frequency
b0 Settings
ca On Screen Display
d4 Stereo Mode`,
	0x84: `1 i Name
2 Present Status
3 Changed Status
4 UPS
5 Power Supply
10 Battery System
11 Battery System Id
12 Battery
13 Battery Id
14 Charger
15 Charger Id
16 Power Converter
17 Power Converter Id
18 Outlet System
19 Outlet System Id
1a Input
1b Input Id
1c Output
1d Output Id
1e Flow
1f Flow Id
20 Outlet
21 Outlet Id
22 Gang
23 Gang Id
24 Power Summary
25 Power Summary Id
30 Voltage
31 Current
32 Frequency
33 Apparent Power
34 Active Power
35 Percent Load
36 Temperature
37 Humidity
38 Bad Count
40 Config Voltage
41 Config Current
42 Config Frequency
43 Config Apparent Power
44 Config Active Power
45 Config Percent Load
46 Config Temperature
47 Config Humidity
50 Switch On Control
51 Switch Off Control
52 Toggle Control
53 Low Voltage Transfer
54 High Voltage Transfer
55 Delay Before Reboot
56 Delay Before Startup
57 Delay Before Shutdown
58 Test
59 Module Reset
5a Audible Alarm Control
60 Present
61 Good
62 Internal Failure
63 Voltag Out Of Range
64 Frequency Out Of Range
65 Overload
66 Over Charged
67 Over Temperature
68 Shutdown Requested
69 Shutdown Imminent
6b Switch On Off
6c Switchable
6d Used
6e Boost
6f Buck
70 Initialized
71 Tested
72 Awaiting Power
73 Communication Lost
fd i Manufacturer
fe i Product
ff i Serial Number`,
	0x85: `1 Smart Battery Battery Mode
2 Smart Battery Battery Status
3 Smart Battery Alarm Warning
4 Smart Battery Charger Mode
5 Smart Battery Charger Status
6 Smart Battery Charger Spec Info
7 Smart Battery Selector State
8 Smart Battery Selector Presets
9 Smart Battery Selector Info
10 Optional Mfg Function 1
11 Optional Mfg Function 2
12 Optional Mfg Function 3
13 Optional Mfg Function 4
14 Optional Mfg Function 5
15 Connection To SM Bus
16 Output Connection
17 Charger Connection
18 Battery Insertion
19 Use Next
1a OK To Use
1b Battery Supported
1c Selector Revision
1d Charging Indicator
1e Misc 1 D Control Report
1f Two D Control Report
28 Manufacturer Access
29 Remaining Capacity Limit
2a Remaining Time Limit
2b At Rate
2c Capacity Mode
2d Broadcast To Charger
2e Primary Battery
2f Charge Controller
30 Aiming Pointer Mode
31 Bar Code Present Sensor
32 Class 1 A Laser
33 Class 2 Laser
34 Heater Present
35 Contact Scanner
36 Electronic Article Surveillance Notification
37 Constant Electronic Article Surveillance
38 Error Indication
39 Fixed Beeper
3a Good Decode Indication
3b Hands Free Scanning
3c Intrinsically Safe
3d Klasse Eins Laser
3e Long Range Scanner
3f Mirror Speed Control
40 Terminate Charge
41 Terminate Discharge
42 Below Remaining Capacity Limit
43 Remaining Time Limit Expired
44 Charging
45 Discharging
46 Fully Charged
47 Fully Discharged
48 Conditioning Flag
49 At Rate OK
4a Smart Battery Error Code
4b Need Replacement
4d Fragment Decoding
4e Scanner Read Confidence
4f Data Prefix
50 Prefix AIMI
51 Prefix None
52 Prefix Proprietary
55 Active Time
56 Aiming Laser Pattern
57 Bar Code Present
58 Beeper State
59 Laser On Time
5a Laser State
5b Lockout Time
5c Motor State
5d Motor Timeout
5e Power On Reset Scanner
5f Prevent Readof Barcodes
60 At Rate Time To Full
61 At Rate Time To Empty
62 Average Current
63 Max Error
64 Relative State Of Charge
65 Absolute State Of Charge
66 Remaining Capacity
67 Full Charge Capacity
68 Run Time To Empty
69 Average Time To Empty
6a Average Time To Full
6b Cycle Count
6d Commit Parametersto NVM
6e Parameter Scanning
6f Parameters Changed
70 Setparameterdefaultvalues
75 Scanner In Cradle
76 Scanner In Range
7a Aim Duration
7b Good Read Lamp Duration
7c Good Read Lamp Intensity
7d Good Read LED
7e Good Read Tone Frequency
7f Good Read Tone Length
80 Battery Pack Model Level
81 Internal Charge Controller
82 Primary Battery Support
83 Design Capacity
84 Specification Info
85 Manufacture Date
86 Serial Number
87 i Manufacturer Name
88 i Device Name
89 i Device Chemistry
8a Manufacturer Data
8b Rechargeable
8c Warning Capacity Limit
8d Capacity Granularity 1
8e Capacity Granularity 2
8f i OEM Information
91 Bookland EAN
92 Convert EAN 8to 13 Type
93 Convert UPC Ato EAN 13
94 Convert UPC Eto A
95 EAN 13
96 EAN 8
97 EAN 99128 Mandatory
98 EAN 99 P 5128 Optional
99 Enable EAN Two Label
9a UPCEAN
9b UPCEAN Coupon Code
9c UPCEAN Periodicals
9d UPCA
9e UPC Awith 128 Mandatory
9f UPC Awith 128 Optional
a0 UPC Awith P 5 Optional
a1 UPCE
a2 UPCE 1
a9 Periodical
aa Periodical Auto Discriminate Plus 2
ab Periodical Only Decodewith Plus 2
ac Periodical Ignore Plus 2
ad Periodical Auto Discriminate Plus 5
ae Periodical Only Decodewith Plus 5
af Periodical Ignore Plus 5
b0 Check
b1 Check Disable Price
b2 Check Enable 4digit Price
b3 Check Enable 5digit Price
b4 Check Enable European 4digit Price
b5 Check Enable European 5digit Price
b7 EAN Two Label
b8 EAN Three Label
b9 EAN 8 Flag Digit 1
ba EAN 8 Flag Digit 2
bb EAN 8 Flag Digit 3
bc EAN 13 Flag Digit 1
bd EAN 13 Flag Digit 2
be EAN 13 Flag Digit 3
bf Add EAN 23 Label Definition
c0 Inhibit Charge
c1 Enable Polling
c2 Reset To Zero
c3 Codabar
c4 Code 128
c7 Code 39
c8 Code 93
c9 Full ASCII Conversion
ca Interleaved 2of 5
cb Italian Pharmacy Code
cc MSI Plessey
cd Standard 2of 5 IATA
ce Standard 2of 5
d0 AC Present
d1 Battery Present
d2 Power Fail
d3 Alarm Inhibited
d4 Thermistor Under Range
d5 Thermistor Hot
d6 Thermistor Cold
d7 Thermistor Over Range
d8 Voltage Out Of Range
d9 Current Out Of Range
da Current Not Regulated
db Voltage Not Regulated
dc Master Mode
dd Check Digit Enable Two MSI Plessey
de Check Digit Codabar Enable
df Check Digit Code 39 Enable
f0 Charger Selector Support
f1 Charger Spec
f2 Level 2
f3 Level 3
fb Symbology Identifier 1
fc Symbology Identifier 2
fd Symbology Identifier 3
fe Decoded Data
ff Decode Data Continued
100 Bar Space Data
101 Scanner Data Accuracy
102 Raw Data Polarity
103 Polarity Inverted Bar Code
104 Polarity Normal Bar Code
106 Minimum Lengthto Decode
107 Maximum Lengthto Decode
108 Discrete Lengthto Decode 1
109 Discrete Lengthto Decode 2
10a Data Length Method
10b DL Method Readany
10c DL Method Checkin Range
10d DL Method Checkfor Discrete
110 Aztec Code
111 BC 412
112 Channel Code
113 Code 16
114 Code 32
115 Code 49
116 Code One
117 Colorcode
118 Data Matrix
119 Maxi Code
11a Micro PDF
11b PDF 417
11c Posi Code
11d QR Code
11e Super Code
11f Ultra Code
120 USD 5 Slug Code
121 Veri Code`,
	0x8d: `1 Scales
20 Scale Device
21 Scale Class
22 Scale Class I Metric
23 Scale Class II Metric
24 Scale Class III Metric
25 Scale Class IIIL Metric
26 Scale Class IV Metric
27 Scale Class III English
28 Scale Class IIIL English
29 Scale Class IV English
2a Scale Class Generic
30 Scale Attribute Report
31 Scale Control Report
32 Scale Data Report
33 Scale Status Report
34 Scale Weight Limit Report
35 Scale Statistics Report
40 Data Weight
41 Data Scaling
50 Weight Unit
51 Weight Unit Milligram
52 Weight Unit Gram
53 Weight Unit Kilogram
54 Weight Unit Carats
55 Weight Unit Taels
56 Weight Unit Grains
57 Weight Unit Pennyweights
58 Weight Unit Metric Ton
59 Weight Unit Avoir Ton
5a Weight Unit Troy Ounce
5b Weight Unit Ounce
5c Weight Unit Pound
60 Calibration Count
61 Re Zero Count
70 Scale Status
71 Scale Status Fault
72 Scale Status Stableat Centerof Zero
73 Scale Status In Motion
74 Scale Status Weight Stable
75 Scale Status Under Zero
76 Scale Status Over Weight Limit
77 Scale Status Requires Calibration
78 Scale Status Requires Rezeroing
80 Zero Scale
81 Enforced Zero Return`,
	0x8e: `1 MSR Device Read Only
11 Track 1 Length
12 Track 2 Length
13 Track 3 Length
14 Track JIS Length
20 Track Data
21 Track 1 Data
22 Track 2 Data
23 Track 3 Data
24 Track JIS Data`,
	0x90: `20 Camera Autofocus
21 Camera Shutter`,
	0x91: `1 General Purpose IO Card
2 Coin Door
3 Watchdog Timer
30 General Purpose Analog Input State
31 General Purpose Digital Input State
32 General Purpose Optical Input State
33 General Purpose Digital Output State
34 Numberof Coin Doors
35 Coin Drawer Drop Count
36 Coin Drawer Start
37 Coin Drawer Service
38 Coin Drawer Tilt
39 Coin Door Test
40 Coin Door Lockout
41 Watchdog Timeout
42 Watchdog Action
43 Watchdog Reboot
44 Watchdog Restart
45 Alarm Input
46 Coin Door Counter
47 IO Direction Mapping
48 Set IO Direction Mapping
49 Extended Optical Input State
4a Pin Pad Input State
4b Pin Pad Status
4c Pin Pad Output
4d Pin Pad Command`,
	0xf1d0: `1 U 2 F Authenticator Device
20 Input Report Data
21 Output Report Data`,
}

var pageNames = map[uint16]string{
	0x01:   "Generic Desktop",
	0x02:   "Simulation Controls",
	0x03:   "VR Controls",
	0x04:   "Sport Controls",
	0x05:   "Game Controls",
	0x06:   "Generic Device Controls",
	0x07:   "Keyboard/Keypad",
	0x08:   "LED",
	0x09:   "Button",
	0x0a:   "Ordinal",
	0x0b:   "Telephony Device",
	0x0c:   "Consumer",
	0x0d:   "Digitizer",
	0x0e:   "Haptics",
	0x0f:   "Physical Input Device",
	0x10:   "Unicode",
	0x11:   "So C",
	0x12:   "Eye and Head Trackers",
	0x14:   "Auxiliary Display",
	0x20:   "Sensors",
	0x40:   "Medical Instrument",
	0x41:   "Braille Display",
	0x59:   "Lighting And Illumination",
	0x80:   "Monitor",
	0x81:   "Monitor Enumerated",
	0x82:   "VESA Virtual Controls",
	0x84:   "Power",
	0x85:   "Battery System",
	0x8c:   "Barcode Scanner",
	0x8d:   "Scales",
	0x8e:   "Magnetic Stripe Reader",
	0x90:   "Camera Control",
	0x91:   "Arcade",
	0xf1d0: "FIDO Alliance",
}
