"""The same statement in other words, against its opposite: a negation, a reversal, the parts exchanged."""

TRIPLETS = """
The shop is open on Sundays.
You can buy things there on the last day of the week.
You cannot buy anything there on the last day of the week.

Nobody liked the soup.
Everyone found the soup disgusting.
Everyone found the soup delicious.

The dog chased the cat around the garden.
The cat was pursued through the garden by the dog.
The dog was pursued through the garden by the cat.

She has never been to Paris.
She has not seen the French capital yet.
She has already seen the French capital.

The box is too heavy to carry.
Nobody can lift the box, it weighs too much.
Anybody can lift the box, it weighs so little.

The road is safe after dark.
There is no danger in using the road at night.
It is dangerous to use the road at night.

Anna lent Peter her bicycle.
Peter borrowed the bicycle from Anna.
Anna borrowed the bicycle from Peter.

The lift is working again.
Somebody has repaired the lift.
Nobody has repaired the lift.

He arrived before the guests.
The guests got there later than he did.
The guests got there earlier than he did.

The team lost the final.
The other side beat the team in the last game.
The team beat the other side in the last game.

This coffee is free of charge.
You do not have to pay for this coffee.
You have to pay for this coffee.

The new phone is cheaper than the old one.
The old phone cost more than the new one does.
The old phone cost less than the new one does.

I agree with every word you said.
You and I are of the same opinion.
You and I are of different opinions.

The lake is deep enough to dive in.
Jumping head first into the lake is fine.
Jumping head first into the lake is dangerous.

The window cannot be opened.
The window stays shut, whatever you do.
The window moves, it does not stay shut.

My brother is taller than my father.
My father is shorter than my brother.
My brother is shorter than my father.

All of the seats were taken.
There was no place left to sit.
There were plenty of places left to sit.

The weather got better during the day.
The clouds went away and it turned sunny.
The sun went away and it turned cloudy.

The bus stops here.
You may get on the bus at this place.
You may not get on the bus at this place.

The company hired fifty people.
Fifty new employees joined the company.
Fifty employees had to leave the company.

She remembered to lock the door.
She did not forget to turn the key in the door.
She did not think of turning the key in the door.

The river flows from the lake into the sea.
The water of the lake reaches the sea through the river.
The water of the sea reaches the lake through the river.

The book was not worth the money.
The book cost more than it should have.
The book gave more than it cost.

We accepted the invitation to the wedding.
We said that we would come to the wedding.
We said that we would not come to the wedding.

The test was easy.
The test gave me no trouble at all.
The test gave me a lot of trouble.

The price of bread went up last month.
Bread became more expensive a few weeks ago.
Bread became less expensive a few weeks ago.

The teacher believed the student.
The student was trusted by the teacher.
The student did not trust the teacher, who trusted him.

There is some cake left.
The cake has not been eaten up yet.
The cake has been eaten up.

He drives carefully.
He takes no risks at the wheel.
He takes many risks at the wheel.

The music was so loud that we could not talk.
Conversation was impossible because of the music.
Conversation was possible in spite of the music.

They often go to the cinema.
They see a film nearly every week.
They see a film hardly once a year.

The plan failed.
The plan did not lead to what was hoped for.
The plan did lead to what was hoped for.

The neighbours sold us their boat.
We bought the boat from the neighbours.
We sold the boat to the neighbours.

The letter was sent to the right address.
There was no mistake in where the letter went.
There was a mistake in where the letter went.

Few visitors stayed until the end.
Most of the visitors left early.
Hardly any of the visitors left early.

Swimming is forbidden in the pond.
Nobody may swim in the pond.
Everybody may swim in the pond.

The older sister is the faster runner.
The younger sister is the slower runner.
The younger sister runs more quickly than the older one.

The rumour turned out to be true.
What people had whispered was correct.
What people had whispered was wrong.

It is colder in the valley than on the hill.
The hill is warmer than the valley.
The hill is colder than the valley.

The village has had electricity for a long time.
The houses in the village have been connected for years.
The houses in the village have never been connected.
"""
