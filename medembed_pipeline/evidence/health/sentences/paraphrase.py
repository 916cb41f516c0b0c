"""The same thing said in other words, against a sentence of nearly the same words that says something else."""

TRIPLETS = """
The train to the coast leaves ten minutes earlier on Sundays.
At the weekend's end you have to be at the station sooner if you want to ride to the sea.
Many people who live near the sea take the train to work.

My neighbour sold his car because petrol had become too expensive.
Fuel prices made the man next door give up his vehicle.
My neighbour washes his car in front of the house every week.

We ran out of milk just before breakfast.
This morning we had nothing left to pour on the cereal.
They buy their milk directly from a farm for breakfast.

The museum lets children in for free.
Kids do not have to pay anything to see the museum's exhibition.
The children were bored in the museum.

She finished the marathon in spite of the heavy rain.
Although it was pouring, she ran all of the forty-two kilometres.
She has run in the rain many times to keep fit.

The old bridge was closed after the flood.
Since the river burst its banks, nobody may drive across it there any more.
The old bridge was built by the Romans.

He learned to play the guitar by watching videos.
Online clips taught him how to strum the strings.
He sold his guitar and bought a piano.

The bakery on the corner only takes cash.
You cannot pay by card at the bread shop down the street.
The bakery on the corner bakes bread with nuts.

Our flight was cancelled and we slept at the airport.
We spent the night in the terminal since the plane never took off.
At the airport we bought sandwiches before the flight.

The teacher praised the class for their science projects.
Pupils were told by their instructor that their experiments were excellent.
The teacher asked the class to be quiet.

I forgot my umbrella on the bus.
I got off without the thing that keeps me dry, it is still on the seat.
The bus was late and it was raining.

The film was so long that half of the audience fell asleep.
Many people in the cinema dozed off because it went on for hours.
The audience wanted to meet the actors of the film.

They painted the kitchen yellow to make it look brighter.
A sunny colour on the walls gives the room where they cook more light.
The yellow lamp in the kitchen is broken.

The city council wants to plant a thousand trees.
Local politicians are planning to make the town much greener.
The city council meets on the first Tuesday of the month.

Grandfather keeps his letters in a wooden box under the bed.
The old man stores the mail he was sent in a wooden chest where he sleeps.
Grandfather built a wooden bed for the dog.

The company moved its head office to another country.
The firm is now run from abroad, where its directors have gone.
The head of the company likes to travel to other countries.

It took us three hours to put the wardrobe together.
Assembling the piece of furniture cost us a whole afternoon.
The wardrobe in the hall is full of coats.

The tickets for the concert sold out within minutes.
A few moments after sales began, every seat for the music was gone.
The concert began a few minutes late.

The farmer was worried because it had not rained for weeks.
A long dry spell troubled the man who grows vegetables on his fields.
It has rained so much that the farmer bought boots.

Please switch your phone off during the play.
The audience is asked to silence mobile devices during the performance.
Telephones are a topic of the play.

My sister speaks four languages fluently.
My sister has no trouble talking to Italians, Russians or Greeks.
My sister moved to another country to teach.

The cat was stuck in the tree until a firefighter fetched it.
The animal could not climb down by itself and had to be rescued with a ladder.
A firefighter visited the school with his truck.

House prices have doubled in the last ten years.
Buying a home costs twice as much as it did a decade ago.
Many houses in this street are ten years old.

The lake freezes so hard that people skate on it.
In winter the water turns to ice thick enough to carry a crowd.
The lake is so large that you can hardly see the other shore.

He apologised for being late to the meeting.
He said sorry that the others had had to wait for him.
He was the last to speak in the meeting.

The recipe needs two eggs and a cup of sugar.
To bake this you have to have something sweet and something that hens lay.
Eggs and sugar are on the shelf beside the flour.

The thief got in through a window that had been left open.
The burglar did not have to break anything to enter the house.
The window of the shop was full of toys.

Nobody knew the answer to the last question of the quiz.
The final riddle was too difficult for every one of the players.
The quiz is on television every Friday evening.

The hotel was fully booked, so we camped on the beach.
As there were no rooms left, we put up a tent by the sea.
The hotel on the beach has a swimming pool.

The library will stay open until midnight during the exams.
Students may study among the books late at night while they are being tested.
The library has bought new chairs for its reading room.

She wrote the whole novel by hand.
The author used only a pen and paper for her book.
The novel is about a woman who lost her hand.

The players were tired after the second match in two days.
Having to compete again so soon had exhausted the team.
The two teams shook hands after the match.

The mayor promised to lower the price of bus tickets.
Riding the bus is going to get cheaper, the head of the town has announced.
The mayor went to work by bus.

The parcel arrived, but the vase in it was broken.
The vessel in the package was in pieces when the postman brought it.
The postman put the vase with the flowers on the table.

Dogs are not allowed in the restaurant.
Pets have to wait outside while their owners eat here.
The restaurant is named after a famous dog.

The wind blew the roof off the barn.
The storm left the cows in their shed without anything above their heads.
The barn is painted red, and the wind blows around it.

The bank will be closed on Monday because of the holiday.
No one can withdraw money at the counter at the start of next week.
The bank has a new counter on the ground floor.

The children built a hut out of branches and leaves.
With what they found in the forest the kids made themselves a shelter.
The children collected leaves of every colour.

My computer is so slow that I make coffee while it starts.
Turning the machine on takes long enough to brew something hot.
I drink coffee with milk while I read my mail.

He has been saving for years to travel around the world.
For a long time he has put money aside to see every continent.
He has been afraid of the sea for years.
"""
