"""Two sentences on one subject, against one on another subject that uses some of the same words otherwise."""

TRIPLETS = """
The bank raised its interest rates again.
Borrowing money for a house has become expensive.
The walk along the river bank ends at a mill.

The pitcher threw the ball past three batters in a row.
Our team won the game in the ninth inning.
There is a pitcher of lemonade on the table.

A mouse ran across the kitchen floor.
We set a trap with a piece of cheese.
I clicked twice with the mouse, but the program did not start.

The star was so faint that we needed a telescope.
Saturn's rings could be seen last night.
The star of the show got flowers from her fans.

The crane lifted the steel beam onto the tenth floor.
Workers in helmets poured the concrete for the new tower.
A crane flew over the pond and landed in the reeds.

The spring in the mattress is broken.
I need a new bed, this one creaks all night.
In spring the meadow is full of flowers.

He plays the bass in a jazz band.
The drummer and the saxophonist improvised for an hour.
He caught a big bass and threw it back into the lake.

The chef reduced the sauce until it was thick.
Season the soup with salt and fresh herbs.
The mayor wants to reduce traffic in the centre.

The seal balanced a ball on its nose.
Penguins waddled along the icy shore.
The seal on the letter was made of red wax.

The match was decided by a penalty in the last minute.
The goalkeeper dived to the wrong side.
She lit the candle with a match.

They signed the contract after months of talks.
The lawyers agreed on every clause of the deal.
Metal contracts when it gets cold.

The plant makes engines for small aeroplanes.
The factory hired two hundred mechanics.
The plant on the window sill needs water.

Her record of folk songs came out in May.
The singer is going to tour with her new album.
She holds the national record over a hundred metres.

The board voted against the takeover.
Shareholders were told about the future of the firm.
He sawed the board in two.

The current pulled the swimmers away from the beach.
Big waves kept the surfers out of the sea.
The current government has lost the election.

The novel was written in the voice of a child.
Readers loved the main character and the surprising ending.
The inventor had a novel idea for a corkscrew.

The bat flew out of the cave at dusk.
Owls and moths are active in the night.
The batter swung the bat and hit the ball over the fence.

We changed trains in the capital.
The railway station was crowded with commuters.
The athlete trains hard for the race.

The key opens the front door.
The lock was stiff, so I put some oil on it.
The song is in a minor key.

The jam on the motorway was ten kilometres long.
Drivers waited for hours behind the accident.
I like strawberry jam on toast.

The court found the man guilty of theft.
The judge sent him to prison for a year.
We played two sets on the tennis court.

The table shows the population of each country.
The figures in the column are in millions.
They sat down at the table for supper.

The apple trees are in blossom.
We pick the fruit in the orchard in autumn.
The apple on the lid of his laptop glows.

He cast the main part with an unknown actor.
The director rehearsed the scene on stage.
The angler cast his line into the stream.

The ruler governed the island for forty years.
The king and the queen were loved by their people.
Draw a line with a pencil and a ruler.

The organ filled the church with music.
The choir practised hymns for the service.
The liver is the largest organ inside the body.

The fan cheered for his club until he was hoarse.
Supporters sang in the stadium with their scarves in the air.
A fan on the ceiling kept the room cool.

The waiter brought the bill after dessert.
We left a generous tip for the lovely dinner.
Parliament passed a bill on tax.

The net was full of herring.
The boats returned to the harbour before dawn.
Net profit rose by a tenth this quarter.

The draft of the essay needs another paragraph.
Check your spelling before you hand the text in.
I put a curtain up against the cold draft.

The port was blocked by a container ship.
Cargo from overseas could not be unloaded.
He had a glass of port with the cheese.

The ring sparkled on her finger.
He proposed to her on the balcony.
I gave the plumber a ring, but he did not pick up.

The band marched through the town with trumpets.
There was music in the streets all day.
She tied the parcel up with a band.

The trunk of the elephant reached over the fence.
A giraffe and her calf are new at the zoo.
The suitcases are in the trunk of the car.

The lead in the play was given to a student.
Amateurs performed the comedy in the village hall.
The old pipes were made of lead.

The screen of my phone cracked when it fell.
I should have bought a case for the device.
A wooden screen divides the bedroom.

The light parcel cost two euros to send.
The post office sells stamps and envelopes.
Turn the light off when you leave the room.

We hiked to the pass at two thousand metres.
The view from the mountain hut was magnificent.
The striker got a long pass from the left.

The column in the paper makes fun of politicians.
Journalists at the newspaper are on strike.
A marble column holds up the roof of the temple.

The volume of the box is three litres.
Measure the height and the width and multiply them.
Turn the volume down, the music is too loud.
"""
